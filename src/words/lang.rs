//! The languages, how a reader's is found, and how each counts.

/// A language of the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lang {
    #[default]
    En,
    Zh,
}

/// The forms that the languages here have for a number of things, by CLDR's names. A test compares the choice with CLDR's rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plural {
    One,
    Other,
}

impl Lang {
    pub const ALL: [Self; 2] = [Self::En, Self::Zh];

    /// For the `lang` of a page (BCP 47), and what the choice of a language is kept as.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh-Hans",
        }
    }

    /// What the language calls itself.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Zh => "简体中文",
        }
    }

    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// The one that a browser's `Accept-Language` asks for most, English where it asks for none of them. Any kind of Chinese is taken
    /// for Simplified: it is nearer than English.
    pub fn accepted(header: &str) -> Self {
        let mut best = (0.0, Self::default());
        for part in header.split(',') {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or_default().trim();
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")).map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
            let lang = match tag.split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "en" => Self::En,
                "zh" => Self::Zh,
                _ => continue,
            };
            // Of equals the first: browsers send them in the order of liking.
            match weight {
                Some(weight) if weight > best.0 => best = (weight, lang),
                _ => {}
            }
        }
        best.1
    }

    /// Which form a whole number of things takes.
    pub fn plural(self, n: u64) -> Plural {
        match (self, n) {
            (Self::En, 1) => Plural::One,
            _ => Plural::Other,
        }
    }
}

impl Lang {
    /// A large number in few characters, as there is room for beside a picture: `12,345` is `12.3k`, in Chinese `1.2万`.
    pub fn short(self, n: u64) -> String {
        let units: &[(u64, &str)] = match self {
            Self::En => &[(1_000_000_000, "bn"), (1_000_000, "m"), (1_000, "k")],
            Self::Zh => &[(100_000_000, "亿"), (10_000, "万")],
        };
        match units.iter().find(|(unit, _)| n >= *unit && n >= 10_000) {
            Some((unit, sign)) => match (n / unit, n % unit * 10 / unit) {
                (whole, tenth) if tenth == 0 || whole >= 100 => format!("{}{sign}", number(whole)),
                (whole, tenth) => format!("{whole}.{tenth}{sign}"),
            },
            None => number(n),
        }
    }
}

/// A whole number that decides between forms. A negative one counts as none.
pub trait Count {
    fn whole(&self) -> u64;
}

macro_rules! counts {
    ($($kind:ty),+) => { $(
        impl Count for $kind {
            fn whole(&self) -> u64 {
                u64::try_from(*self).unwrap_or(0)
            }
        }
    )+ };
}
counts!(u8, u32, u64, usize, i32, i64);

impl<T: Count> Count for &T {
    fn whole(&self) -> u64 {
        (*self).whole()
    }
}

/// A whole number as both languages write it: `12,345`.
pub fn number(n: impl Count) -> String {
    let digits = n.whole().to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use intl_pluralrules::{PluralCategory, PluralRuleType, PluralRules};

    use super::*;

    #[test]
    fn plural_forms_are_those_of_cldr() {
        for lang in Lang::ALL {
            let language: unic_langid::LanguageIdentifier = lang.tag().split('-').next().unwrap().parse().unwrap();
            let rules = PluralRules::create(language, PluralRuleType::CARDINAL).unwrap();
            for n in 0..1_000_u64 {
                let wanted = match rules.select(n).unwrap() {
                    PluralCategory::ONE => Plural::One,
                    PluralCategory::OTHER => Plural::Other,
                    other => panic!("{lang:?} has a form {other:?} that the catalogue lacks"),
                };
                assert_eq!(lang.plural(n), wanted, "{lang:?} {n}");
            }
        }
    }

    #[test]
    fn a_browser_gets_the_language_it_likes_best() {
        for (header, lang) in [
            ("", Lang::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Lang::Zh),
            ("zh-TW", Lang::Zh),
            ("en-GB,en;q=0.9,zh;q=0.9", Lang::En),
            ("de, zh;q=0.5, en;q=0.4", Lang::Zh),
            ("de,fr", Lang::En),
            ("zh;q=0, en;q=0.1", Lang::En),
            ("zh;q=rubbish", Lang::En),
            (";;;,,,", Lang::En),
        ] {
            assert_eq!(Lang::accepted(header), lang, "{header}");
        }
    }

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0_u64, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(n), text);
        }
        assert_eq!(number(-3_i64), "0");
    }

    #[test]
    fn large_numbers_are_short() {
        for (n, en, zh) in [
            (9_999, "9,999", "9,999"),
            (10_000, "10k", "1万"),
            (12_345, "12.3k", "1.2万"),
            (456_789, "456k", "45.6万"),
            (1_000_000, "1m", "100万"),
            (2_500_000_000, "2.5bn", "25亿"),
        ] {
            assert_eq!((Lang::En.short(n).as_str(), Lang::Zh.short(n).as_str()), (en, zh));
        }
    }

    #[test]
    fn tags_lead_back() {
        for lang in Lang::ALL {
            assert_eq!(Lang::of_tag(lang.tag()), Some(lang));
        }
        assert_eq!(Lang::of_tag("xx"), None);
    }
}
