//! Shapes of the ARNs that dynamic secrets name.

use crate::{error::Error, provider::aws::region::Partition};

/// What an IAM ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Role,
    Policy,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Policy => "policy",
        }
    }

    /// The longest name IAM gives, without its path.
    fn longest_name(self) -> usize {
        match self {
            Self::Role => 64,
            Self::Policy => 128,
        }
    }
}

/// Refuses what is no ARN of this kind in this partition. (`PolicyArns` and `RoleArn` take 20 to 2048 characters.)
pub(super) fn check(
    field: &str,
    text: &str,
    kind: Kind,
    partition: Partition,
) -> Result<(), Error> {
    let word = kind.word();
    let shape = || {
        Error::invalid(
            field,
            format!(
                "must be like arn:{}:iam::123456789012:{word}/name",
                partition.name
            ),
        )
    };
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", in_partition, "iam", "", account, resource] = parts.as_slice() else {
        return Err(shape());
    };
    if *in_partition != partition.name {
        let problem = format!("must be of the base's own partition, {}", partition.name);
        return Err(Error::invalid(field, problem));
    }
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let managed = kind == Kind::Policy && *account == "aws";
    let name = resource
        .strip_prefix(word)
        .and_then(|rest| rest.strip_prefix('/'));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&b);
    let last = name.and_then(|name| name.rsplit('/').next()).unwrap_or("");
    match name {
        Some(name)
            if (is_account || managed)
                && (1..=kind.longest_name()).contains(&last.len())
                && text.len() <= 2048 =>
        {
            if name.bytes().all(allowed) {
                Ok(())
            } else {
                Err(shape())
            }
        }
        _ => Err(shape()),
    }
}

/// Whether this is the ARN of a role, in any partition.
pub(super) fn is_role(text: &str) -> bool {
    Partition::all().any(|partition| check("", text, Kind::Role, partition).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::aws::region::Region;

    fn ok(text: &str, kind: Kind, region: &str) -> bool {
        check(
            "f",
            text,
            kind,
            Region::named("r", region).unwrap().partition,
        )
        .is_ok()
    }

    #[test]
    fn arns_are_checked_by_shape() {
        for good in [
            "arn:aws:iam::123456789012:role/reader",
            "arn:aws:iam::123456789012:role/team/a+b=c,d.e@f_g-h",
        ] {
            assert!(ok(good, Kind::Role, "us-east-1"), "{good}");
        }
        for bad in [
            "",
            "reader",
            "arn:aws:iam::12345678901:role/reader",
            "arn:aws:iam::123456789012:user/reader",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:sts::123456789012:role/x",
            "arn:aws:iam::aws:role/reader",
            "arn:aws:iam::123456789012:role/a*",
        ] {
            assert!(!ok(bad, Kind::Role, "us-east-1"), "{bad}");
        }
        let named = |length| format!("arn:aws:iam::123456789012:role/p/{}", "r".repeat(length));
        assert!(ok(&named(64), Kind::Role, "us-east-1"));
        assert!(!ok(&named(65), Kind::Role, "us-east-1"));
        assert!(ok(
            "arn:aws:iam::aws:policy/ReadOnlyAccess",
            Kind::Policy,
            "us-east-1"
        ));
    }

    #[test]
    fn the_partition_must_be_the_bases_own() {
        let text = "arn:aws-cn:iam::123456789012:role/reader";
        assert!(ok(text, Kind::Role, "cn-north-1"));
        assert!(!ok(text, Kind::Role, "us-east-1"));
    }
}
