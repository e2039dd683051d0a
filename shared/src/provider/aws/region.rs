//! AWS regions and partitions: a closed list, because a region becomes part of a host name.

use crate::error::Error;

/// A set of regions with accounts and credentials of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    /// Its name in ARNs.
    pub name: &'static str,
}

/// A known region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// As in host names.
    pub name: &'static str,
    /// Where it belongs.
    pub partition: Partition,
}

const STANDARD: Partition = Partition { name: "aws" };
const CHINA: Partition = Partition { name: "aws-cn" };
const US_GOV: Partition = Partition { name: "aws-us-gov" };
const EUROPE: Partition = Partition { name: "aws-eusc" };

const REGIONS: [(Partition, &[&str]); 4] = [
    (
        STANDARD,
        &[
            "af-south-1",
            "ap-east-1",
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-6",
            "ap-southeast-7",
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "il-central-1",
            "me-central-1",
            "me-south-1",
            "mx-central-1",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    ),
    (CHINA, &["cn-north-1", "cn-northwest-1"]),
    (US_GOV, &["us-gov-east-1", "us-gov-west-1"]),
    (EUROPE, &["eusc-de-east-1"]),
];

impl Partition {
    /// All of them.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        REGIONS.iter().map(|(partition, _)| *partition)
    }
}

impl Region {
    /// The region of that name; 400 naming `field` if there is none.
    pub fn named(field: &str, name: &str) -> Result<Self, Error> {
        REGIONS
            .iter()
            .flat_map(|(partition, names)| {
                names.iter().map(|name| Self {
                    name,
                    partition: *partition,
                })
            })
            .find(|region| region.name == name)
            .ok_or_else(|| Error::invalid(field, "must be an AWS region, such as us-east-1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_a_closed_list_with_partitions() {
        for (name, partition) in [
            ("eu-west-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(
                Region::named("data.region", name).unwrap().partition.name,
                partition
            );
        }
        for bad in ["", "us-east-9", "us-east-1.evil.example", "US-EAST-1"] {
            assert!(
                Region::named("data.region", bad)
                    .unwrap_err()
                    .to_string()
                    .starts_with("data.region: ")
            );
        }
    }
}
