//! How much is said and what it takes, in pictures. Each has the same numbers as a table behind it, and says its essence in a sentence.

use askama::Template;

use super::chart::{self, Chart, Day, Percent};
use super::{Chrome, when};
use crate::domain::usage::{AssistantUse, DAY, DayUse, Ends, Spread, Tokens, Usage};
use crate::words::{Words, number};

/// How many days can be looked at.
pub const SPANS: [usize; 3] = [7, 30, 90];
/// Assistants that have a row of their own; the others are drawn as one.
const ROWS: usize = 6;
/// Lines across a picture, and across one of several small ones.
const STEPS: u64 = 4;
const STEPS_SMALL: u64 = 2;

#[derive(Clone, Debug, Template)]
#[template(path = "usage.html")]
pub struct UsagePage<'a> {
    pub chrome: Chrome<'a>,
    pub usage: &'a Usage,
    /// All rooms, not the reader's own.
    pub all: bool,
    tiles: Vec<Tile>,
    pictures: Vec<Picture>,
}

/// A number by itself.
#[derive(Clone, Debug)]
struct Tile {
    name: &'static str,
    value: String,
    more: String,
}

#[derive(Clone, Debug)]
struct Picture {
    id: &'static str,
    title: &'static str,
    about: String,
    /// What the marks mean: how they look, and a name.
    legend: Vec<(&'static str, &'static str)>,
    drawn: Drawn,
    table: Table,
}

#[derive(Clone, Debug)]
enum Drawn {
    One(Chart),
    /// One below the other, over the same days and up to the same top.
    Many(Vec<Row>),
    /// Parts of a whole, one line each.
    Parts(Vec<Parts>),
}

/// What is drawn of one assistant.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    value: String,
    chart: Chart,
}

#[derive(Clone, Debug)]
struct Parts {
    name: String,
    value: String,
    says: String,
    parts: Vec<(usize, Percent, Percent)>,
}

#[derive(Clone, Debug)]
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// How the marks of the series look, by their classes in `usage.css`.
const SAID: [&str; 2] = ["amber", "teal"];
const TOKENS: [&str; 2] = ["teal", "slate"];
const ENDS: [&str; 4] = ["teal", "slate", "amber", "red"];
const RANGE: [&str; 2] = ["dot", "reach"];

impl<'a> UsagePage<'a> {
    pub fn new(chrome: Chrome<'a>, usage: &'a Usage, all: bool) -> Self {
        let drawing = Drawing { w: chrome.w, usage };
        Self { chrome, usage, all, tiles: drawing.tiles(), pictures: drawing.pictures() }
    }

    fn span(&self) -> usize {
        self.usage.days.len()
    }

    fn spans(&self) -> [Choice; 3] {
        SPANS.map(|days| Choice { href: path(days, self.all), label: self.chrome.w.usage_days(days), chosen: days == self.span() })
    }

    fn scopes(&self) -> [Choice; 2] {
        let labels = [(false, self.chrome.w.your_rooms()), (true, self.chrome.w.usage_all_rooms())];
        labels.map(|(all, label)| Choice { href: path(self.span(), all), label: label.to_owned(), chosen: all == self.all })
    }

    fn is_admin(&self) -> bool {
        self.chrome.me.is_some_and(|me| me.admin)
    }

    fn from(&self) -> String {
        when::day(&(self.usage.first * DAY), &self.chrome.w)
    }

    fn to(&self) -> String {
        when::day(&((self.usage.first + self.span() as i64 - 1) * DAY), &self.chrome.w)
    }

    /// The classes of a picture's series, in order.
    fn marks(&self, picture: &Picture, series: &usize) -> &'static str {
        picture.legend.get(*series).map_or("", |(mark, _)| mark)
    }
}

/// A view of the page that can be gone to.
struct Choice {
    href: String,
    label: String,
    chosen: bool,
}

fn path(days: usize, all: bool) -> String {
    format!("/usage?days={days}{}", if all { "&of=all" } else { "" })
}

struct Drawing<'a> {
    w: Words,
    usage: &'a Usage,
}

impl Drawing<'_> {
    fn tiles(&self) -> Vec<Tile> {
        let (w, usage, tokens) = (self.w, self.usage, self.usage.tokens());
        let mut tiles = vec![
            Tile { name: w.messages(), value: w.0.short(usage.people()), more: w.usage_by_people().to_owned() },
            Tile { name: w.usage_replies(), value: w.0.short(usage.replies()), more: w.usage_by_assistants().to_owned() },
        ];
        if tokens.all() > 0 {
            let more = w.usage_of_them_written(w.0.short(tokens.written));
            tiles.push(Tile { name: w.usage_tokens(), value: w.0.short(tokens.all()), more });
        }
        tiles.extend(usage.first_text.map(|spread| Tile {
            name: w.usage_first_token(),
            value: self.time(spread.median),
            more: w.usage_nine_within(self.time(spread.ninth)),
        }));
        tiles
    }

    fn pictures(&self) -> Vec<Picture> {
        [Some(self.messages()), self.tokens(), self.first_text(), self.speed(), self.ends()].into_iter().flatten().collect()
    }

    fn messages(&self) -> Picture {
        let w = self.w;
        let says = |place: usize, day: &DayUse| w.usage_messages_on(self.day(place), number(day.people), number(day.replies));
        let days: Vec<_> = self.days(says, |day| vec![day.people, day.replies]);
        let busiest = self.usage.days.iter().enumerate().max_by_key(|(place, day)| (day.people + day.replies, *place));
        let mut about = w.usage_messages_says(number(self.usage.people()), number(self.usage.replies()));
        if let Some((place, day)) = busiest.filter(|(_, day)| day.people + day.replies > 0) {
            about.push_str(&w.usage_most_on(self.day(place), number(day.people + day.replies)));
        }
        Picture {
            id: "messages",
            title: w.usage_messages_a_day(),
            legend: vec![(SAID[0], w.usage_by_people()), (SAID[1], w.usage_by_assistants())],
            drawn: Drawn::One(chart::stacked(about.clone(), &days, None, STEPS, |n| w.0.short(n))),
            about,
            table: self.table_of_days(&[w.usage_by_people(), w.usage_by_assistants()], |day| vec![number(day.people), number(day.replies)]),
        }
    }

    fn tokens(&self) -> Option<Picture> {
        let w = self.w;
        let used: Vec<&AssistantUse> = self.usage.assistants.iter().filter(|one| one.total().all() > 0).collect();
        if used.is_empty() {
            return None;
        }
        // One assistant more than there are rows for is drawn too: "others" would take its place.
        let own = if used.len() <= ROWS + 1 { used.len() } else { ROWS };
        let mut rows: Vec<(String, Vec<Tokens>)> = used[..own].iter().map(|one| (one.name.clone(), one.tokens.clone())).collect();
        if own < used.len() {
            let sum =
                |day: usize| used[own..].iter().fold(Tokens::default(), |sum, one| sum + one.tokens.get(day).copied().unwrap_or_default());
            rows.push((w.usage_others(used.len() - own), (0..self.usage.days.len()).map(sum).collect()));
        }
        let top = rows.iter().flat_map(|(_, tokens)| tokens.iter().map(|day| day.all())).max().unwrap_or(0);
        let last = rows.len() - 1;
        let drawn = rows.iter().enumerate().map(|(place, (name, tokens))| {
            let total = tokens.iter().fold(Tokens::default(), |sum, day| sum + *day);
            let says = |place: usize, day: &Tokens| w.usage_tokens_on(self.day(place), number(day.read), number(day.written));
            let days: Vec<_> = tokens
                .iter()
                .enumerate()
                .map(|(day, tokens)| Day {
                    says: says(day, tokens),
                    label: self.label(day).filter(|_| place == last),
                    value: vec![tokens.written, tokens.read],
                })
                .collect();
            let about = w.usage_tokens_says(name, number(total.read), number(total.written));
            Row {
                name: name.clone(),
                value: w.usage_tokens_count(w.0.short(total.all())),
                chart: chart::stacked(about, &days, Some(top), STEPS_SMALL, |n| w.0.short(n)),
            }
        });
        let drawn = Drawn::Many(drawn.collect());
        let mut head = vec![w.usage_day().to_owned()];
        head.extend(rows.iter().map(|(name, _)| name.clone()));
        let cells = |day: usize| {
            let used = rows.iter().map(move |(_, tokens)| tokens.get(day).copied().unwrap_or_default());
            used.map(|tokens| w.usage_read_and_written(number(tokens.read), number(tokens.written)))
        };
        let rows = (0..self.usage.days.len()).rev().map(|day| std::iter::once(self.day(day)).chain(cells(day)).collect()).collect();
        Some(Picture {
            id: "tokens",
            title: w.usage_tokens_a_day(),
            about: w.usage_tokens_about().to_owned(),
            legend: vec![(TOKENS[0], w.usage_written()), (TOKENS[1], w.usage_read())],
            drawn,
            table: Table { head, rows },
        })
    }

    fn first_text(&self) -> Option<Picture> {
        let (w, spread) = (self.w, self.usage.first_text?);
        let on = |place: usize, day: &DayUse| match day.first_text {
            Some(spread) => w.usage_first_text_on(self.day(place), self.time(spread.median), self.time(spread.ninth)),
            None => w.usage_nothing_on(self.day(place)),
        };
        let days: Vec<_> = self.days(on, |day| day.first_text.map(|spread| (spread.median, spread.ninth)));
        let about = w.usage_first_text_says(self.time(spread.median), self.time(spread.ninth));
        let cells = |day: &DayUse| self.cells(day.first_text, |ms| self.time(ms));
        Some(Picture {
            id: "first-text",
            title: w.usage_first_text(),
            legend: vec![(RANGE[0], w.usage_median()), (RANGE[1], w.usage_up_to_ninth())],
            drawn: Drawn::One(chart::ranges(about.clone(), &days, STEPS, |ms| self.tick_time(ms))),
            about,
            table: self.table_of_days(&[w.usage_median(), w.usage_nine_of_ten()], cells),
        })
    }

    /// Each by itself: the middle over all would tell which assistant was asked more often.
    fn speed(&self) -> Option<Picture> {
        let (w, spread) = (self.w, self.usage.speed?);
        let timed: Vec<(&AssistantUse, Spread)> = self.usage.assistants.iter().filter_map(|one| Some((one, one.speed?))).collect();
        let top = timed.iter().map(|(_, speed)| speed.median).max().unwrap_or(0);
        let rows = timed.iter().map(|(one, speed)| Parts {
            name: one.name.clone(),
            value: w.usage_speed_count(tenths(speed.median)),
            says: w.usage_ends_of(&one.name, w.usage_speed_count(tenths(speed.median))),
            parts: vec![(0, Percent::default(), Percent::of(speed.median, top))],
        });
        let cells = timed.iter().map(|(one, speed)| {
            let first = self.cells(one.first_text, |ms| self.time(ms));
            [one.name.clone(), tenths(speed.median)].into_iter().chain(first).collect()
        });
        let head = [w.assistant_column(), w.usage_speed(), w.usage_first_text(), w.usage_nine_of_ten()];
        Some(Picture {
            id: "speed",
            title: w.usage_speed(),
            about: w.usage_speed_says(tenths(spread.median)),
            legend: vec![(TOKENS[0], w.usage_median())],
            drawn: Drawn::Parts(rows.collect()),
            table: Table { head: head.map(str::to_owned).into(), rows: cells.collect() },
        })
    }

    fn ends(&self) -> Option<Picture> {
        let w = self.w;
        let ended: Vec<&AssistantUse> = self.usage.assistants.iter().filter(|one| one.ends.all() > 0).collect();
        if ended.is_empty() {
            return None;
        }
        let all = ended.iter().fold(Ends::default(), |sum, one| Ends {
            complete: sum.complete + one.ends.complete,
            stopped: sum.stopped + one.ends.stopped,
            interrupted: sum.interrupted + one.ends.interrupted,
            failed: sum.failed + one.ends.failed,
        });
        let names = [w.ended_finished(), w.ended_stopped(), w.usage_interrupted(), w.usage_failed()];
        let rows = ended.iter().map(|one| {
            let counts = of_ends(one.ends);
            let said: Vec<String> =
                names.iter().zip(counts).filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {}", number(count))).collect();
            Parts {
                name: one.name.clone(),
                value: w.usage_finished_share(share(one.ends.complete, one.ends.all())),
                says: w.usage_ends_of(&one.name, said.join(w.list_comma())),
                parts: chart::parts(&counts),
            }
        });
        let head = std::iter::once(w.assistant_column()).chain(names).map(str::to_owned);
        let cells = ended.iter().map(|one| std::iter::once(one.name.clone()).chain(of_ends(one.ends).map(number)).collect());
        Some(Picture {
            id: "ends",
            title: w.usage_ends(),
            about: w.usage_ends_says(share(all.complete, all.all()), number(all.all())),
            legend: ENDS.into_iter().zip(names).collect(),
            drawn: Drawn::Parts(rows.collect()),
            table: Table { head: head.collect(), rows: cells.collect() },
        })
    }

    /// Days as a chart takes them.
    fn days<T>(&self, says: impl Fn(usize, &DayUse) -> String, value: impl Fn(&DayUse) -> T) -> Vec<Day<T>> {
        self.usage
            .days
            .iter()
            .enumerate()
            .map(|(place, day)| Day { says: says(place, day), label: self.label(place), value: value(day) })
            .collect()
    }

    /// The newest day first.
    fn table_of_days(&self, names: &[&str], cells: impl Fn(&DayUse) -> Vec<String>) -> Table {
        let head = std::iter::once(self.w.usage_day()).chain(names.iter().copied()).map(str::to_owned).collect();
        let days = self.usage.days.iter().enumerate().rev();
        Table { head, rows: days.map(|(place, day)| std::iter::once(self.day(place)).chain(cells(day)).collect()).collect() }
    }

    fn cells(&self, spread: Option<Spread>, write: impl Fn(u64) -> String) -> Vec<String> {
        match spread {
            Some(spread) => vec![write(spread.median), write(spread.ninth)],
            None => vec![nothing(), nothing()],
        }
    }

    fn day(&self, place: usize) -> String {
        when::short_day((self.usage.first + place as i64) * DAY, self.w)
    }

    /// Below some days stands which they are: always today, and so many that the smallest screen has room for them.
    fn label(&self, place: usize) -> Option<String> {
        let days = self.usage.days.len();
        let every = match days {
            0..=10 => 2,
            11..=40 => 7,
            _ => 21,
        };
        (days - 1 - place).is_multiple_of(every).then(|| self.day(place))
    }

    /// A time as it is said: below a tenth of a second in milliseconds. No line ends before the unit.
    fn time(&self, ms: u64) -> String {
        let time = match ms {
            0..100 => self.w.every_ms(ms),
            _ => when::duration(i64::try_from(ms).unwrap_or(i64::MAX), &self.w),
        };
        time.replace(' ', "\u{a0}")
    }

    /// A round time at the side of a picture.
    fn tick_time(&self, ms: u64) -> String {
        match ms {
            0 => "0".to_owned(),
            1..100 => self.w.every_ms(ms),
            ms if ms % 1000 == 0 => self.w.seconds(number(ms / 1000)),
            ms => self.w.seconds(format_args!("{}.{}", ms / 1000, ms % 1000 / 100)),
        }
    }
}

fn of_ends(ends: Ends) -> [u64; 4] {
    [ends.complete, ends.stopped, ends.interrupted, ends.failed]
}

/// In percent; all or nothing only where it is so.
fn share(part: u64, whole: u64) -> u64 {
    match part * 100 / whole.max(1) {
        0 if part > 0 => 1,
        share => share,
    }
}

/// `31.4`, `120`: tenths as they are worth being said.
fn tenths(n: u64) -> String {
    match n {
        1_000.. => number(n / 10),
        n if n % 10 == 0 => (n / 10).to_string(),
        n => format!("{}.{}", n / 10, n % 10),
    }
}

fn nothing() -> String {
    "–".to_owned()
}
