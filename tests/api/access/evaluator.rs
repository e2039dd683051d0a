//! The evaluator of rules against a second one that is written to be plain: over random rules both say the same.

use std::{collections::BTreeMap, net::IpAddr};

use mayfly::access::{
    condition::Context,
    policy::{Action, Asking, Effect, Rule, RuleSet},
};
use serde_json::{Value, json};

const SETS: u64 = 800;
const REQUESTS: usize = 150;

#[test]
fn rules_mean_what_a_plain_reading_of_them_says() {
    let mut counts = Counts::default();
    for seed in 0..SETS {
        let mut random = Random(seed);
        let rules: Vec<Rule> = (0..3 + random.below(6)).map(|_| random.rule()).collect();
        let set = RuleSet::compile(&rules);
        let plain: Vec<_> = rules.iter().map(plain::read).collect();
        for request in 0..REQUESTS {
            let subjects = random.subjects();
            let resource = random.resource();
            let context = Context {
                remote_ip: random.address(),
            };
            let asking = Asking {
                subjects: &subjects,
                action: random.one(&Action::ALL),
                resource: &resource,
                context: &context,
            };
            let expected = plain::decide(&plain, &asking);
            let (allowed, surely) = (
                set.allow(&asking),
                set.allows_surely(&subjects, asking.action, &resource),
            );
            assert!(
                allowed == (expected.verdict == Verdict::Granted) && surely == expected.surely,
                "seed {seed}, request {request}: {allowed}, surely {surely}, but expected {expected:?} of {asking:?} with {}",
                serde_json::to_string_pretty(&rules).unwrap()
            );
            counts.add(&expected);
        }
    }
    counts.check();
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Granted,
    Denied,
    NothingApplies,
}

/// How often what happened: a comparison in which nothing ever matches shows nothing.
#[derive(Debug, Default)]
struct Counts {
    all: u32,
    granted: u32,
    denied: u32,
    nothing_applies: u32,
    surely: u32,
    decided_by_conditions: u32,
}

impl Counts {
    fn add(&mut self, decision: &plain::Decision) {
        let verdict = decision.verdict;
        self.all += 1;
        self.granted += u32::from(verdict == Verdict::Granted);
        self.denied += u32::from(verdict == Verdict::Denied);
        self.nothing_applies += u32::from(verdict == Verdict::NothingApplies);
        self.surely += u32::from(decision.surely);
        self.decided_by_conditions += u32::from(verdict != decision.without_conditions);
    }

    fn check(&self) {
        assert!(self.all >= 100_000, "{self:?}");
        let often = [
            self.granted,
            self.denied,
            self.nothing_applies,
            self.surely,
            self.decided_by_conditions,
        ];
        assert!(often.iter().all(|count| *count > self.all / 20), "{self:?}");
    }
}

/// Random rules and requests over few letters, so that they often meet. The same seed makes the same.
struct Random(u64);

impl Random {
    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn in_hundred(&mut self, times: usize) -> bool {
        self.below(100) < times
    }

    fn some(&mut self, most: usize, make: fn(&mut Self) -> String) -> Vec<String> {
        (0..=self.below(most)).map(|_| make(self)).collect()
    }

    fn rule(&mut self) -> Rule {
        let effect = if self.in_hundred(25) {
            Effect::Deny
        } else {
            Effect::Allow
        };
        let conditions = if self.in_hundred(35) {
            1 + self.below(2)
        } else {
            0
        };
        Rule {
            subjects: self.some(2, Self::subject_pattern),
            effect,
            resources: self.some(2, Self::resource_pattern),
            actions: self.some(3, Self::action_pattern),
            conditions: (0..conditions).map(|_| self.condition()).collect(),
        }
    }

    fn subject_pattern(&mut self) -> String {
        match self.below(20) {
            0 => self.broken(),
            1..6 => self.subject(),
            6..10 => "<.*>".to_owned(),
            10..12 => "<users|groups>:a".to_owned(),
            12..14 => "<users:<.*>|roles:a>".to_owned(),
            14..16 => format!("<users|roles>:<{}>", self.expression(2)),
            _ => format!("groups:<{}>", self.expression(2)),
        }
    }

    fn subject(&mut self) -> String {
        let kind = self.one(&["users", "roles", "groups"]);
        let name = self.one(&["a", "b", "ab"]);
        format!("{kind}:{name}")
    }

    fn subjects(&mut self) -> Vec<String> {
        let principal = format!(
            "{}:{}",
            self.one(&["users", "roles"]),
            self.one(&["a", "b"])
        );
        let groups = self.below(3);
        let groups = (0..groups).map(|_| format!("groups:{}", self.one(&["a", "b", "ab"])));
        [principal].into_iter().chain(groups).collect()
    }

    fn action_pattern(&mut self) -> String {
        const PATTERNS: [&str; 12] = [
            "read",
            "update",
            "create",
            "delete",
            "list",
            "assign",
            "share",
            "<read|list>",
            "<.*e>",
            "<(re|upd)a.+>",
            "<l>ist",
            "<<read>|delete>",
        ];
        if self.in_hundred(30) {
            return "<.*>".to_owned();
        }
        if self.in_hundred(2) {
            self.broken()
        } else {
            self.one(&PATTERNS).to_owned()
        }
    }

    /// Literal text and expressions in turns.
    fn resource_pattern(&mut self) -> String {
        if self.in_hundred(3) {
            return self.broken();
        }
        if self.in_hundred(20) {
            return (self.one(&[
                "<.*>",
                "s:<.*>",
                "s:a<.*>",
                "s:<a|b>",
                "s:<a|.*>",
                "s:<a|b|ab>:a",
            ]))
            .to_owned();
        }
        let mut pattern = self.one(&["", "s:", "s:"]).to_owned();
        for _ in 0..=self.below(2) {
            pattern.push_str(&self.letters());
            if self.in_hundred(80) {
                pattern = format!("{pattern}<{}>", self.expression(3));
            }
        }
        pattern + self.one(&["", "", "", "", "a", ":b"])
    }

    fn resource(&mut self) -> String {
        let mut resource = self.one(&["s:", "s:", "s:", ""]).to_owned();
        for _ in 0..self.below(4) {
            resource.push_str(self.one(&["a", "b", "a", "b", ":", ".", "<a>", "<", "ab"]));
        }
        resource
    }

    fn letters(&mut self) -> String {
        (0..self.below(2))
            .map(|_| self.one(&['a', 'b', 'a', 'b', 'a', 'b', ':', '.', '(']))
            .collect()
    }

    /// A regular expression of the kinds that the plain evaluator knows.
    fn expression(&mut self, depth: usize) -> String {
        let deeper = depth.saturating_sub(1);
        let atom = match self.below(if depth == 0 { 7 } else { 12 }) {
            0 => "a".to_owned(),
            1 => "b".to_owned(),
            2 => ".".to_owned(),
            3 => ".*".to_owned(),
            4 => "[ab]".to_owned(),
            5 => "[^a:]".to_owned(),
            6 => ":".to_owned(),
            7 => format!("{}|{}", self.expression(deeper), self.expression(deeper)),
            8 => format!("{}{}", self.expression(deeper), self.expression(deeper)),
            9 => format!("({})", self.expression(deeper)),
            10 => format!("(?:{})", self.expression(deeper)),
            _ => format!("<{}>", self.expression(deeper)),
        };
        if atom.len() == 1 || atom.ends_with([')', ']', '>']) {
            atom + self.one(&["", "", "?", "+", "*"])
        } else {
            atom
        }
    }

    /// What is no pattern, or holds no regular expression.
    fn broken(&mut self) -> String {
        const BROKEN: [&str; 9] = [
            "<",
            "s:a>",
            "s:<a",
            "><",
            "s:<(>",
            "s:a<a)|(b>",
            "<*>",
            "<[ab>b",
            "s:<)(>:a",
        ];
        self.one(&BROKEN).to_owned()
    }

    fn condition(&mut self) -> (String, Value) {
        let name = if self.in_hundred(85) {
            "remoteIP"
        } else {
            "mfa"
        };
        let text = self.one(&["10.0.0.1", "10.1.0.1", "2001:db8::1"]);
        let cidr = self.one(&[
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.3/16",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "::ffff:10.0.0.0/104",
        ]);
        let condition = match self.below(20) {
            0 => json!({"type": "NoSuchCondition", "options": {}}),
            1 => json!({"type": "BooleanCondition", "options": {"value": true}}),
            2 => json!({"type": "EqualsSubjectCondition", "options": {}}),
            3..8 => json!({"type": "StringEqualCondition", "options": {"equals": text}}),
            _ => json!({"type": "CIDRCondition", "options": {"cidr": cidr}}),
        };
        (name.to_owned(), condition)
    }

    fn address(&mut self) -> Option<IpAddr> {
        let known = [
            "10.0.0.1",
            "10.1.0.1",
            "11.0.0.1",
            "::ffff:10.1.0.1",
            "2001:db8::1",
        ];
        let at = self.below(known.len() + 1);
        known.get(at).map(|ip| ip.parse().unwrap())
    }
}

/// The other evaluator: it follows the description of rules word by word, and is slow. It shares no code with the first.
mod plain {
    use super::{Action, Asking, BTreeMap, Effect, IpAddr, Rule, Value, Verdict};

    /// A rule, read once.
    pub(super) struct Plain<'a> {
        effect: Effect,
        is_broken: bool,
        subjects: Vec<Option<Node>>,
        resources: Vec<(&'a str, Option<Node>)>,
        actions: Vec<Option<Node>>,
        conditions: &'a BTreeMap<String, Value>,
    }

    pub(super) fn read(rule: &Rule) -> Plain<'_> {
        let nodes = |texts: &[String]| texts.iter().map(|text| node(text)).collect::<Vec<_>>();
        let texts = rule.resources.iter().map(String::as_str);
        let (subjects, actions) = (nodes(&rule.subjects), nodes(&rule.actions));
        let resources: Vec<_> = texts.map(|text| (text, node(text))).collect();
        let of_resources = resources.iter().map(|(_, node)| node);
        let mut patterns = subjects.iter().chain(&actions).chain(of_resources);
        let mut conditions = rule.conditions.values();
        Plain {
            effect: rule.effect,
            is_broken: patterns.any(Option::is_none)
                || conditions.any(|condition| condition["type"] == "NoSuchCondition"),
            subjects,
            resources,
            actions,
            conditions: &rule.conditions,
        }
    }

    /// What the rules say, what they surely say, and what they would say without conditions.
    #[derive(Debug)]
    pub(super) struct Decision {
        pub(super) verdict: Verdict,
        pub(super) surely: bool,
        pub(super) without_conditions: Verdict,
    }

    pub(super) fn decide(rules: &[Plain<'_>], asking: &Asking<'_>) -> Decision {
        let concerning: Vec<_> = rules.iter().filter(|rule| rule.concerns(asking)).collect();
        let of = |counts: &dyn Fn(&Plain<'_>) -> bool| {
            let counting = concerning.iter().filter(|rule| counts(rule));
            verdict(&counting.map(|rule| rule.effect).collect::<Vec<_>>())
        };
        let counts_surely =
            |rule: &Plain<'_>| rule.effect == Effect::Deny || rule.conditions.is_empty();
        Decision {
            verdict: of(&|rule| rule.conditions_hold(asking)),
            surely: of(&counts_surely) == Verdict::Granted,
            without_conditions: of(&|_| true),
        }
    }

    fn verdict(applying: &[Effect]) -> Verdict {
        if applying.contains(&Effect::Deny) {
            Verdict::Denied
        } else if applying.contains(&Effect::Allow) {
            Verdict::Granted
        } else {
            Verdict::NothingApplies
        }
    }

    impl Plain<'_> {
        fn concerns(&self, asking: &Asking<'_>) -> bool {
            if self.is_broken {
                let might = |(text, node): &(&str, Option<Node>)| match node {
                    Some(node) => means(Some(node), asking.resource),
                    None => might_mean(text, asking.resource),
                };
                return self.effect == Effect::Deny && self.resources.iter().any(might);
            }
            let subject =
                |text: &String| self.subjects.iter().any(|node| means(node.as_ref(), text));
            self.actions
                .iter()
                .any(|node| means(node.as_ref(), word(asking.action)))
                && asking.subjects.iter().any(subject)
                && self
                    .resources
                    .iter()
                    .any(|(_, node)| means(node.as_ref(), asking.resource))
        }

        fn conditions_hold(&self, asking: &Asking<'_>) -> bool {
            self.is_broken
                || (self.conditions.iter()).all(|(name, condition)| holds(name, condition, asking))
        }
    }

    fn word(action: Action) -> &'static str {
        match action {
            Action::Create => "create",
            Action::Read => "read",
            Action::Update => "update",
            Action::Delete => "delete",
            Action::List => "list",
            Action::Assign => "assign",
        }
    }

    fn holds(name: &str, condition: &Value, asking: &Asking<'_>) -> bool {
        let Some(ip) = asking.context.remote_ip.filter(|_| name == "remoteIP") else {
            return false;
        };
        let options = &condition["options"];
        match condition["type"].as_str() {
            Some("CIDRCondition") => is_within(ip, &options["cidr"]),
            Some("StringEqualCondition") => {
                let equals = options["equals"].as_str().unwrap();
                number(equals.parse().unwrap()) == number(ip)
            }
            _ => false,
        }
    }

    /// 4 or 6, and the address, in the highest bits.
    fn number(ip: IpAddr) -> (u8, u128) {
        match ip {
            IpAddr::V4(four) => (4, u128::from(four.to_bits()) << 96),
            IpAddr::V6(six) if six.to_bits() >> 32 == 0xffff => (4, six.to_bits() << 96),
            IpAddr::V6(six) => (6, six.to_bits()),
        }
    }

    fn is_within(ip: IpAddr, cidr: &Value) -> bool {
        let (network, length) = cidr.as_str().unwrap().split_once('/').unwrap();
        let written: IpAddr = network.parse().unwrap();
        let mut length: u32 = length.parse().unwrap();
        let (version, network) = number(written);
        if version == 4 && written.is_ipv6() {
            length -= 96;
        }
        let (ip_version, ip) = number(ip);
        version == ip_version && (length == 0 || (ip ^ network) >> (128 - length) == 0)
    }

    fn means(node: Option<&Node>, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let means = |node: &Node| node.ends(&text, 1) >> text.len() & 1 == 1;
        node.is_some_and(means)
    }

    /// Whether a pattern that cannot be read might mean `text`: its literal text outside of brackets is all there is.
    fn might_mean(pattern: &str, text: &str) -> bool {
        let outer = |piece: Option<&Piece>| match piece {
            Some(Piece::Literal(text)) => text.clone(),
            _ => String::new(),
        };
        pieces(pattern).is_none_or(|pieces| {
            text.starts_with(&outer(pieces.first())) && text.ends_with(&outer(pieces.last()))
        })
    }

    enum Piece {
        Literal(String),
        Expression(String),
    }

    fn pieces(pattern: &str) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(first) = rest.next() {
            let mut piece = String::new();
            match first {
                '>' => return None,
                '<' => {
                    let mut open = 1;
                    while open > 0 {
                        let c = rest.next()?;
                        open += i32::from(c == '<') - i32::from(c == '>');
                        piece.push(c);
                    }
                    piece.pop();
                    pieces.push(Piece::Expression(piece));
                }
                c => {
                    piece.push(c);
                    while let Some(c) = rest.next_if(|c| *c != '<' && *c != '>') {
                        piece.push(c);
                    }
                    pieces.push(Piece::Literal(piece));
                }
            }
        }
        Some(pieces)
    }

    fn node(pattern: &str) -> Option<Node> {
        let nodes = pieces(pattern)?.into_iter().map(|piece| match piece {
            Piece::Literal(text) => Some(Node::Sequence(text.chars().map(Node::Letter).collect())),
            Piece::Expression(text) => Node::read(&text),
        });
        nodes.collect::<Option<_>>().map(Node::Sequence)
    }

    enum Node {
        Letter(char),
        Any,
        Class { but: bool, letters: String },
        Sequence(Vec<Node>),
        Either(Vec<Node>),
        Optional(Box<Node>),
        Repeated(Box<Node>),
    }

    type Letters<'a> = std::iter::Peekable<std::str::Chars<'a>>;

    impl Node {
        fn read(text: &str) -> Option<Self> {
            let mut letters = text.chars().peekable();
            let node = Self::either(&mut letters)?;
            letters.next().is_none().then_some(node)
        }

        fn either(letters: &mut Letters<'_>) -> Option<Self> {
            let mut branches = vec![Self::sequence(letters)?];
            while letters.next_if_eq(&'|').is_some() {
                branches.push(Self::sequence(letters)?);
            }
            Some(Self::Either(branches))
        }

        fn sequence(letters: &mut Letters<'_>) -> Option<Self> {
            let mut nodes = Vec::new();
            while let Some(c) = letters.next_if(|c| *c != '|' && *c != ')') {
                let atom = match c {
                    '(' => Self::group(letters)?,
                    '[' => Self::class(letters)?,
                    '.' => Self::Any,
                    '*' | '+' | '?' => return None,
                    c => Self::Letter(c),
                };
                nodes.push(Self::repeated(letters, atom));
            }
            Some(Self::Sequence(nodes))
        }

        fn group(letters: &mut Letters<'_>) -> Option<Self> {
            if letters.next_if_eq(&'?').is_some() {
                letters.next_if_eq(&':')?;
            }
            let node = Self::either(letters)?;
            letters.next_if_eq(&')').map(|_| node)
        }

        fn class(letters: &mut Letters<'_>) -> Option<Self> {
            let but = letters.next_if_eq(&'^').is_some();
            let mut members = String::new();
            loop {
                match letters.next()? {
                    ']' => {
                        break Some(Self::Class {
                            but,
                            letters: members,
                        });
                    }
                    c => members.push(c),
                }
            }
        }

        fn repeated(letters: &mut Letters<'_>, atom: Self) -> Self {
            match letters.next_if(|c| "*+?".contains(*c)) {
                Some('*') => Self::Optional(Box::new(Self::Repeated(Box::new(atom)))),
                Some('+') => Self::Repeated(Box::new(atom)),
                Some(_) => Self::Optional(Box::new(atom)),
                None => atom,
            }
        }

        /// Where matches may end that begin somewhere in `starts`: sets of places in the text, as bits.
        fn ends(&self, text: &[char], starts: u64) -> u64 {
            let letters = |is: &dyn Fn(char) -> bool| {
                let places = (0..text.len()).filter(|at| starts >> at & 1 == 1 && is(text[*at]));
                places.fold(0, |ends, at| ends | 2 << at)
            };
            match self {
                Self::Letter(wanted) => letters(&|c| c == *wanted),
                Self::Any => letters(&|_| true),
                Self::Class { but, letters: of } => letters(&|c| of.contains(c) != *but),
                Self::Sequence(nodes) => nodes
                    .iter()
                    .fold(starts, |ends, node| node.ends(text, ends)),
                Self::Either(nodes) => nodes
                    .iter()
                    .fold(0, |ends, node| ends | node.ends(text, starts)),
                Self::Optional(node) => starts | node.ends(text, starts),
                Self::Repeated(node) => {
                    let mut ends = node.ends(text, starts);
                    while node.ends(text, ends) & !ends != 0 {
                        ends |= node.ends(text, ends);
                    }
                    ends
                }
            }
        }
    }
}
