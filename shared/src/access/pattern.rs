//! `Pattern`: what an entry of a rule says about subjects, resources or actions, and which texts it means.

use std::{fmt, sync::OnceLock};

use regex::{Error as RegexError, Regex, RegexBuilder};

/// The longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1024;
/// The largest one `<…>` may be when it is compiled, in bytes.
const MAX_FRAGMENT: usize = 64 * 1024;
/// The largest a whole pattern may be when it is compiled, in bytes.
const MAX_WHOLE: usize = 256 * 1024;
/// What a regular expression may remember of its searches, in bytes.
const MAX_MEMORY: usize = 64 * 1024;
/// How deep groups may be nested.
const MAX_NESTING: u32 = 32;
/// How many `<…>` a pattern may have.
const MAX_FRAGMENTS: usize = 16;

/// Why a text is no pattern, and what is allowed. The text itself is in none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too many bytes.
    #[error("must be at most {} bytes", MAX_PATTERN)]
    TooLong,
    /// A line break, a tab, …
    #[error("must not contain control characters")]
    Control,
    /// A bracket without its partner.
    #[error("must have a `>` for each `<`, in this order")]
    Unbalanced,
    /// Too many brackets.
    #[error("must have at most {} expressions in `<` and `>`", MAX_FRAGMENTS)]
    TooMany,
    /// Not a regular expression, or one that reaches beyond its brackets.
    #[error(
        "must hold only regular expressions that are complete in themselves, without look-around, back-references and \
         unfinished comments"
    )]
    Expression,
    /// A regular expression that would need too much memory.
    #[error("must hold smaller regular expressions: fewer and shorter repetitions")]
    TooLarge,
}

/// Whether a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is.
    Yes,
    /// It is not, whatever else may be wrong with the pattern.
    No,
    /// The literal parts agree, and the rest is no regular expression that we run.
    Broken,
}

/// Literal text with regular expressions between `<` and `>`, which means a text only as a whole.
///
/// Brackets may be nested, and the outermost pair counts. Each regular expression is a group of its own, and a dot is
/// any character.
#[derive(Debug)]
pub struct Pattern(Form);

/// The frequent forms are told apart because they need no regular expression.
#[derive(Debug)]
enum Form {
    /// `text`
    Exactly(Box<str>),
    /// `prefix<.*>`
    Under(Box<str>),
    /// `prefix<a|b>suffix`
    OneOf(Box<Choice>),
    /// Anything else.
    Expression(Box<Template>),
}

#[derive(Debug)]
struct Choice {
    prefix: Box<str>,
    /// Literals between bars.
    middles: Box<str>,
    suffix: Box<str>,
}

#[derive(Debug)]
struct Template {
    prefix: Box<str>,
    suffix: Box<str>,
    text: Box<str>,
    regex: Lazy,
}

impl Pattern {
    /// Takes a pattern that somebody writes: all of it must be right.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::load(text)?;
        if let Form::Expression(template) = &pattern.0 {
            let regex = template.compile()?;
            template.regex.0.get_or_init(|| Some(regex));
        }
        Ok(pattern)
    }

    /// Takes a pattern that was stored: quick, because its regular expressions are compiled when they are first needed.
    pub fn load(text: &str) -> Result<Self, PatternError> {
        check_text(text)?;
        if has_no_bracket(text) {
            return Ok(Self(Form::Exactly(text.into())));
        }
        if let Some(prefix) = text.strip_suffix("<.*>")
            && has_no_bracket(prefix)
        {
            return Ok(Self(Form::Under(prefix.into())));
        }
        Ok(Self(match pieces(text)?.as_slice() {
            [prefix, middles, suffix] if is_choice(middles) => Form::OneOf(Box::new(Choice {
                prefix: (*prefix).into(),
                middles: (*middles).into(),
                suffix: (*suffix).into(),
            })),
            [prefix, .., suffix] => Form::Expression(Box::new(Template {
                prefix: (*prefix).into(),
                suffix: (*suffix).into(),
                text: text.into(),
                regex: Lazy::default(),
            })),
            _ => return Err(PatternError::Unbalanced),
        }))
    }

    /// The pattern that means every text.
    pub fn anything() -> Self {
        Self(Form::Under(Box::default()))
    }

    /// Whether it means `text`.
    pub fn matches(&self, text: &str) -> Match {
        let means = match &self.0 {
            Form::Exactly(literal) => **literal == *text,
            Form::Under(prefix) => text.starts_with(&**prefix),
            Form::OneOf(choice) => choice.includes(text),
            Form::Expression(template) => return template.matches(text),
        };
        if means { Match::Yes } else { Match::No }
    }

    /// Whether its regular expressions compile, which is found out now if it was not known.
    pub fn compiles(&self) -> bool {
        match &self.0 {
            Form::Exactly(_) | Form::Under(_) | Form::OneOf(_) => true,
            Form::Expression(template) => template.regex().is_some(),
        }
    }

    /// Whether `matches` never needs a regular expression.
    pub fn is_plain(&self) -> bool {
        !matches!(self.0, Form::Expression(_))
    }

    /// Whether it has no `<…>` and so means one text only, which is [`Self::literal_prefix`].
    pub fn is_literal(&self) -> bool {
        matches!(self.0, Form::Exactly(_))
    }

    /// The text before the first `<`: every text that it means begins so.
    pub fn literal_prefix(&self) -> &str {
        match &self.0 {
            Form::Exactly(text) | Form::Under(text) => text,
            Form::OneOf(choice) => &choice.prefix,
            Form::Expression(template) => &template.prefix,
        }
    }
}

impl Choice {
    fn includes(&self, text: &str) -> bool {
        text.strip_prefix(&*self.prefix)
            .and_then(|rest| rest.strip_suffix(&*self.suffix))
            .is_some_and(|middle| self.middles.split('|').any(|one| one == middle))
    }
}

impl Template {
    fn matches(&self, text: &str) -> Match {
        if !text.starts_with(&*self.prefix) || !text.ends_with(&*self.suffix) {
            return Match::No;
        }
        match self.regex() {
            Some(regex) if regex.is_match(text) => Match::Yes,
            Some(_) => Match::No,
            None => Match::Broken,
        }
    }

    fn regex(&self) -> Option<&Regex> {
        self.regex.get(|| self.compile())
    }

    /// Each `<…>` must compile alone, or it could close its group and leave it; and the whole must compile, or a comment
    /// could swallow what follows.
    fn compile(&self) -> Result<Regex, PatternError> {
        let mut whole = String::from(r"\A");
        for (at, piece) in pieces(&self.text)?.into_iter().enumerate() {
            if at % 2 == 0 {
                whole.push_str(&regex::escape(piece));
            } else {
                build(piece, MAX_FRAGMENT, MAX_NESTING)?;
                whole.extend(["(?:", piece, ")"]);
            }
        }
        whole.push_str(r"\z");
        build(&whole, MAX_WHOLE, 2 * MAX_NESTING)
    }
}

/// A regular expression that is compiled when it is first needed; `None` if it turned out that it cannot be.
#[derive(Default)]
pub(super) struct Lazy(OnceLock<Option<Regex>>);

impl Lazy {
    pub(super) fn get(
        &self,
        compile: impl FnOnce() -> Result<Regex, PatternError>,
    ) -> Option<&Regex> {
        self.0.get_or_init(|| compile().ok()).as_ref()
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lazy")
    }
}

/// A regular expression on its own, which need not mean the whole text.
pub(super) fn expression(text: &str) -> Result<Regex, PatternError> {
    check_text(text)?;
    build(text, MAX_FRAGMENT, MAX_NESTING)
}

fn check_text(text: &str) -> Result<(), PatternError> {
    if text.len() > MAX_PATTERN {
        return Err(PatternError::TooLong);
    }
    let has_control = if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.contains(char::is_control)
    };
    if has_control {
        return Err(PatternError::Control);
    }
    Ok(())
}

fn has_no_bracket(text: &str) -> bool {
    !text.bytes().any(|byte| matches!(byte, b'<' | b'>'))
}

/// Literal text and what is between outermost brackets, in turns; first and last is literal text, if only an empty one.
fn pieces(text: &str) -> Result<Vec<&str>, PatternError> {
    let mut pieces = Vec::with_capacity(3);
    let (mut depth, mut start) = (0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        let before = depth;
        match byte {
            b'<' => depth += 1,
            b'>' => depth = depth.checked_sub(1).ok_or(PatternError::Unbalanced)?,
            _ => continue,
        }
        if before.max(depth) == 1 {
            pieces.push(text.get(start..at).unwrap_or_default());
            start = at + 1;
        }
    }
    if depth != 0 {
        return Err(PatternError::Unbalanced);
    }
    pieces.push(text.get(start..).unwrap_or_default());
    if pieces.len() / 2 > MAX_FRAGMENTS {
        return Err(PatternError::TooMany);
    }
    Ok(pieces)
}

/// Whether a regular expression is literals between bars. Angle brackets mean nothing within one.
fn is_choice(expression: &str) -> bool {
    !expression.contains([
        '\\', '.', '+', '*', '?', '(', ')', '[', ']', '{', '}', '^', '$',
    ])
}

/// Compiles for an engine that takes time in proportion to the text, whatever the expression.
fn build(expression: &str, largest: usize, nesting: u32) -> Result<Regex, PatternError> {
    RegexBuilder::new(expression)
        .dot_matches_new_line(true)
        .size_limit(largest)
        .dfa_size_limit(MAX_MEMORY)
        .nest_limit(nesting)
        .build()
        .map_err(|error| match error {
            RegexError::CompiledTooBig(_) => PatternError::TooLarge,
            _ => PatternError::Expression,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(pattern: &str, text: &str) -> bool {
        let strict = Pattern::parse(pattern).unwrap().matches(text);
        assert_eq!(Pattern::load(pattern).unwrap().matches(text), strict);
        assert_ne!(strict, Match::Broken);
        strict == Match::Yes
    }

    fn refusal(pattern: &str) -> PatternError {
        Pattern::parse(pattern).map(|_| pattern).unwrap_err()
    }

    #[test]
    fn text_without_brackets_means_itself_only() {
        assert!(means("secrets:a.b", "secrets:a.b"));
        for other in [
            "secrets:a",
            "secrets:a.b:c",
            "secrets:axb",
            "SECRETS:A.B",
            "",
        ] {
            assert!(!means("secrets:a.b", other), "{other}");
        }
    }

    #[test]
    fn what_is_outside_brackets_is_literal_and_both_ends_are_anchored() {
        for pattern in ["a.c:<[0-9]+>:(d)", "a.c:<7|42>:(d)"] {
            assert!(means(pattern, "a.c:42:(d)"), "{pattern}");
            for other in [
                "abc:42:(d)",
                "xa.c:42:(d)",
                "a.c:42:(d)x",
                "a.c:42:d",
                "a.c::(d)",
            ] {
                assert!(!means(pattern, other), "{pattern} {other}");
            }
        }
    }

    #[test]
    fn anything_may_follow_a_prefix_even_nothing() {
        for pattern in ["secrets:a:<.*>", "secrets:a:<(.*)>", "secrets:a:<[^0]*>"] {
            assert!(means(pattern, "secrets:a:"));
            assert!(means(pattern, "secrets:a:b:c"));
            assert!(!means(pattern, "secrets:a"));
            assert!(!means(pattern, "secrets:b:a"));
        }
        assert!(means("<.*>", "") && means("<.*>", "anything at all"));
    }

    #[test]
    fn a_dot_is_any_character_whichever_way_it_is_matched() {
        for pattern in ["a<.*>", "a<.*><>", "a<(.*)>", "a<.>"] {
            assert!(means(pattern, "a\n"), "{pattern}");
        }
    }

    #[test]
    fn alternatives_bind_inside_their_brackets_only() {
        for pattern in [
            "secrets:a:<x|.*>",
            "secrets:a:<x|y|.+>",
            "secrets:a:<x|secrets:b|y>",
        ] {
            assert!(means(pattern, "secrets:a:x"), "{pattern}");
            assert!(means(pattern, "secrets:a:y"), "{pattern}");
            assert!(!means(pattern, "secrets:b"), "{pattern}");
            assert!(!means(pattern, "x"), "{pattern}");
        }
    }

    #[test]
    fn literal_alternatives_are_compared_whole() {
        assert!(means("users:<bob|alice>", "users:bob"));
        assert!(means("users:<bob|alice>", "users:alice"));
        assert!(means("<|a>b", "b") && means("<>b", "b"));
        for other in ["users:", "users:bobalice", "users:bob|alice", "users:alic"] {
            assert!(!means("users:<bob|alice>", other), "{other}");
        }
        assert!(
            !means("aa<x|a>aa", "aaa"),
            "prefix and suffix may not overlap"
        );
    }

    #[test]
    fn brackets_may_be_nested_and_the_outermost_count() {
        assert!(means("a<(?P<n>x)y>", "axy"));
        assert!(means("a<<b>|c>", "a<b>"));
        assert!(means("a<<b>|c>", "ac"));
        assert!(means("a<<b>+>", "a<b>>>"));
        assert!(!means("a<<b>|c>", "ab"));
    }

    #[test]
    fn brackets_without_a_partner_are_refused() {
        for pattern in [
            "<", ">", "a>", "><", "<a", "<<a>", "<a>>", "a<b>c>d", r"<\>>",
        ] {
            assert_eq!(refusal(pattern), PatternError::Unbalanced, "{pattern}");
            assert!(Pattern::load(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn an_expression_cannot_leave_its_brackets() {
        for pattern in [
            "a<x)|(.*>",
            "a<)(>",
            "a<(>b<)>",
            "a<[>b<]>",
            r"a<\>",
            r"a<x\>b<.*>",
            "a<*>",
            "a<(?x)a#>",
            "a<(?x)a#>b<c>",
            "a<(?x:a#)>",
            "a<(?i>b<)>",
            "a<{2}>",
        ] {
            assert_eq!(refusal(pattern), PatternError::Expression, "{pattern}");
            let stored = Pattern::load(pattern).unwrap();
            for text in ["a", "ax", "ab", "abc", "a:", ".*", "ab]"] {
                assert_ne!(stored.matches(text), Match::Yes, "{pattern} {text}");
            }
            assert!(!stored.compiles(), "{pattern}");
        }
    }

    #[test]
    fn flags_end_with_their_brackets() {
        assert!(means("a<(?i)b>c", "aBc"));
        assert!(!means("a<(?i)b>c", "aBC"));
        assert!(means("a<(?i)b><c.*>", "aBc"));
        assert!(!means("a<(?i)b><c.*>", "aBC"));
        assert!(means("a<(?x) b | c >d", "abd"));
        assert!(!means("a<(?m)b$>", "ab\nc"));
    }

    #[test]
    fn look_around_and_back_references_are_refused() {
        for pattern in [
            "<(?=a)>",
            "<(?!a).*>",
            "<(?<=a)b>",
            "<(?<!a)b>",
            r"<(a)\1>",
            r"<(?P<x>a)(?P=x)>",
        ] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_would_grow_too_large_is_refused() {
        for pattern in [
            "<(a{1000}){1000}>",
            "<((a{100}){100}){100}>",
            r"<(\w{50}){50}>",
        ] {
            assert_eq!(refusal(pattern), PatternError::TooLarge, "{pattern}");
            assert_eq!(Pattern::load(pattern).unwrap().matches("a"), Match::Broken);
        }
        let deep = format!("<{}a{}>", "(".repeat(40), ")".repeat(40));
        assert_eq!(refusal(&deep), PatternError::Expression);
        assert!(Pattern::parse(&"<a>".repeat(16)).is_ok());
        assert_eq!(refusal(&"<a>".repeat(17)), PatternError::TooMany);
        assert!(Pattern::parse(&"a".repeat(MAX_PATTERN)).is_ok());
        assert_eq!(refusal(&"a".repeat(MAX_PATTERN + 1)), PatternError::TooLong);
        for reasonable in [
            r"<\w+>:<\w+>:<\d{1,9}>",
            "<[a-z0-9-]{1,64}>",
            "<(?i)[a-z]{3,30}>",
        ] {
            assert!(Pattern::parse(reasonable).is_ok(), "{reasonable}");
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["a\nb", "<a\n>", "a\0", "\u{7f}", "a\u{85}"] {
            assert_eq!(refusal(text), PatternError::Control);
            assert!(Pattern::load(text).is_err());
        }
    }

    #[test]
    fn time_grows_with_the_text_and_not_with_what_the_expression_could_try() {
        let mut long = "a".repeat(20_000);
        long.push('!');
        for pattern in [
            "<(a+)+$>",
            "<(a|a)*b>",
            "<(a*)*(a*)*(a*)*b>",
            "<a{0,60}a{0,60}b>",
        ] {
            assert!(!means(pattern, &long), "{pattern}");
        }
    }

    #[test]
    fn the_literal_prefix_is_what_every_meant_text_begins_with() {
        for (pattern, prefix, literal) in [
            ("secrets:a", "secrets:a", true),
            ("secrets:a:<.*>", "secrets:a:", false),
            ("secrets:<a|b>:c", "secrets:", false),
            ("secrets:<[ab]>:c", "secrets:", false),
            ("<.*>", "", false),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(pattern.literal_prefix(), prefix);
            assert_eq!(pattern.is_literal(), literal);
        }
    }

    #[test]
    fn a_broken_expression_says_so_only_where_its_literal_text_agrees() {
        let stored = Pattern::load("secrets:a:<(>:z").unwrap();
        assert_eq!(stored.matches("secrets:a:b:z"), Match::Broken);
        assert_eq!(stored.matches("secrets:b:b:z"), Match::No);
        assert_eq!(stored.matches("secrets:a:b:y"), Match::No);
    }

    #[test]
    fn no_refusal_repeats_the_text() {
        for pattern in ["<zebra", "<zebra(>", "zebra\n", "<(zebra{1000}){1000}>"] {
            assert!(!refusal(pattern).to_string().contains("zebra"));
        }
    }
}
