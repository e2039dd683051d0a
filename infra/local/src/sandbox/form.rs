//! The form body of an AWS query call.

/// The parameters of one call, in the order they were sent.
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads a form-encoded body; one that is no form has no fields.
    pub(super) fn parse(body: &[u8]) -> Self {
        Self {
            fields: serde_urlencoded::from_bytes(body).unwrap_or_default(),
        }
    }

    /// The value of a parameter, if it was sent at all.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The values of `{list}.member.1{suffix}`, `{list}.member.2{suffix}` and so on, until one is missing.
    ///
    /// Missing means that no field of that member was sent; a member without this one gives an empty text.
    pub(super) fn members<'a>(
        &'a self,
        list: &'a str,
        suffix: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        (1..).map_while(move |number| {
            let member = format!("{list}.member.{number}");
            let sent = self.fields.iter().any(|(field, _)| {
                field
                    .strip_prefix(&member)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            sent.then(|| self.text(&format!("{member}{suffix}")).unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_end_at_the_first_gap() {
        let form =
            Form::parse(b"T.member.1.Key=a&T.member.2.Value=x&T.member.4.Key=d&T.member.11.Key=e");
        assert_eq!(form.members("T", ".Key").collect::<Vec<_>>(), vec!["a", ""]);
    }

    #[test]
    fn values_are_decoded() {
        let form = Form::parse(b"Policy=%7B%22a%22+%3A1%7D");
        assert_eq!(form.text("Policy"), Some(r#"{"a" :1}"#));
        assert_eq!(form.text("Name"), None);
    }
}
