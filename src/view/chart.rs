//! Pictures of numbers by day, as SVG without script and without styles of its own: what is drawn stands in the markup as places in percent of
//! the picture, so it is as wide as the page and its letters stay as large as they are. What it looks like is `usage.css`.
//!
//! Nothing here knows what the numbers mean.

/// A picture over days, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// What the picture says, in a sentence, for who does not see it.
    pub says: String,
    pub ticks: Vec<Tick>,
    pub days: Vec<Column>,
    /// Parts of a line through the days, where two days in a row have a value.
    pub line: Vec<Stroke>,
    /// Many days: marks are small.
    pub dense: bool,
}

/// A line across, and what stands beside it.
#[derive(Clone, Debug)]
pub struct Tick {
    pub y: Percent,
    pub label: String,
}

/// One day.
#[derive(Clone, Debug, Default)]
pub struct Column {
    pub x: Percent,
    pub width: Percent,
    /// Its middle.
    pub middle: Percent,
    /// What is said of it where it is pointed at.
    pub says: String,
    /// Below it, where there is room.
    pub label: Option<String>,
    /// From the bottom up.
    pub bars: Vec<Bar>,
    pub range: Option<Range>,
}

/// What is to be drawn of one day: what is said of it, what stands below it, and its value.
#[derive(Clone, Debug)]
pub struct Day<T> {
    pub says: String,
    pub label: Option<String>,
    pub value: T,
}

#[derive(Clone, Debug)]
pub struct Bar {
    /// Which of the series, by its place.
    pub series: usize,
    pub x: Percent,
    pub y: Percent,
    pub width: Percent,
    pub height: Percent,
}

/// A value, and how far above it others were.
#[derive(Clone, Debug)]
pub struct Range {
    pub value: Percent,
    pub upper: Percent,
}

#[derive(Clone, Debug)]
pub struct Stroke {
    pub x1: Percent,
    pub y1: Percent,
    pub x2: Percent,
    pub y2: Percent,
}

/// A place or a length: hundredths of a percent, and so no floating point in what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u64);

impl Percent {
    const WHOLE: Self = Self(10_000);

    /// `part` of `whole`, at most all of it.
    pub fn of(part: u64, whole: u64) -> Self {
        let hundredths = u128::from(part) * u128::from(Self::WHOLE.0) / u128::from(whole.max(1));
        Self(u64::try_from(hundredths).unwrap_or(u64::MAX).min(Self::WHOLE.0))
    }

    /// The same measured from the top, as pictures are.
    fn down(self) -> Self {
        Self(Self::WHOLE.0.saturating_sub(self.0))
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// Round numbers from 0 to the first that is not below `most`: steps of 1, 2 or 5 times a power of ten, at most `steps` of them.
pub fn round_steps(most: u64, steps: u64) -> Vec<u64> {
    let steps = steps.max(1);
    let mut power: u64 = 1;
    let step = loop {
        let fits = [1, 2, 5].into_iter().filter_map(|digit| power.checked_mul(digit)).find(|step| most.div_ceil(*step) <= steps);
        match (fits, power.checked_mul(10)) {
            (Some(step), _) => break step,
            (None, Some(next)) => power = next,
            // Steps so large that the last one would not fit into a number: the number itself is the only one.
            (None, None) => return vec![0, most],
        }
    };
    let count = most.div_ceil(step).max(1);
    (0..=count).map(|n| n.saturating_mul(step)).collect()
}

/// How much of a day's place its bar takes, in percent; few days have room between them.
fn share(days: usize) -> u64 {
    match days {
        0..=10 => 52,
        11..=40 => 70,
        _ => 78,
    }
}

/// From this many days on, marks are small.
const DENSE: usize = 45;
/// Two bars of one day stand apart by so much of the picture's height.
const GAP: u64 = 100;

/// Lays days side by side: each has a value for each series. `label` writes a number at the side.
pub fn stacked(says: String, days: &[Day<Vec<u64>>], top: Option<u64>, steps: u64, label: impl Fn(u64) -> String) -> Chart {
    let sum = |day: &Day<Vec<u64>>| day.value.iter().fold(0_u64, |sum, value| sum.saturating_add(*value));
    let ticks = round_steps(top.unwrap_or_else(|| days.iter().map(sum).max().unwrap_or(0)), steps);
    let top = ticks.last().copied().unwrap_or(1);
    let columns = columns(days).zip(days).enumerate();
    let columns = columns.map(|(place, (column, day))| Column { bars: bars(place, days.len(), &day.value, top), ..column }).collect();
    Chart { says, ticks: ticks_at(&ticks, label), days: columns, line: Vec::new(), dense: days.len() >= DENSE }
}

/// The same with a value and how far above it others were, joined by a line. Days without one are left empty.
pub fn ranges(says: String, days: &[Day<Option<(u64, u64)>>], steps: u64, label: impl Fn(u64) -> String) -> Chart {
    let most = days.iter().filter_map(|day| day.value.map(|(value, upper)| value.max(upper))).max().unwrap_or(0);
    let ticks = round_steps(most, steps);
    let top = ticks.last().copied().unwrap_or(1);
    let at = |value: u64| Percent::of(value, top).down();
    let range = |day: &Day<Option<(u64, u64)>>| day.value.map(|(value, upper)| Range { value: at(value), upper: at(upper.max(value)) });
    let columns: Vec<Column> = columns(days).zip(days).map(|(column, day)| Column { range: range(day), ..column }).collect();
    let line = columns
        .windows(2)
        .filter_map(|two| match two {
            [Column { middle: x1, range: Some(from), .. }, Column { middle: x2, range: Some(to), .. }] => {
                Some(Stroke { x1: *x1, y1: from.value, x2: *x2, y2: to.value })
            }
            _ => None,
        })
        .collect();
    Chart { says, ticks: ticks_at(&ticks, label), days: columns, line, dense: days.len() >= DENSE }
}

/// Parts of one whole, side by side: which series, where it begins, how wide it is. What is not nothing can be seen.
pub fn parts(values: &[u64]) -> Vec<(usize, Percent, Percent)> {
    let whole = values.iter().sum::<u64>().max(1);
    let mut before = 0;
    let mut parts = Vec::new();
    for (series, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        parts.push((series, Percent::of(before, whole), Percent::of(*value, whole)));
        before += value;
    }
    parts
}

fn ticks_at(ticks: &[u64], label: impl Fn(u64) -> String) -> Vec<Tick> {
    let top = ticks.last().copied().unwrap_or(1);
    ticks.iter().map(|tick| Tick { y: Percent::of(*tick, top).down(), label: label(*tick) }).collect()
}

fn columns<T>(days: &[Day<T>]) -> impl Iterator<Item = Column> {
    let count = days.len() as u64;
    days.iter().zip(0_u64..).map(move |(day, place)| Column {
        x: Percent::of(place, count),
        width: Percent::of(1, count),
        middle: Percent::of(2 * place + 1, 2 * count),
        says: day.says.clone(),
        label: day.label.clone(),
        ..Column::default()
    })
}

fn bars(place: usize, count: usize, values: &[u64], top: u64) -> Vec<Bar> {
    let (place, slots, share) = (place as u64, count as u64 * 100, share(count));
    let mut below: u64 = 0;
    let mut bars = Vec::new();
    for (series, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        let (from, to) = (Percent::of(below, top), Percent::of(below.saturating_add(*value), top));
        // The bar above leaves a little of its foot to the gap, but never all of itself.
        let height = to.0.saturating_sub(from.0);
        let gap = if bars.is_empty() || height <= 2 * GAP { 0 } else { GAP };
        bars.push(Bar {
            series,
            x: Percent::of(place * 100 + (100 - share) / 2, slots),
            y: to.down(),
            width: Percent::of(share, slots),
            height: Percent(height - gap),
        });
        below = below.saturating_add(*value);
    }
    bars
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn day<T>(value: T) -> Day<T> {
        Day { says: String::new(), label: None, value }
    }

    proptest! {
        #[test]
        fn steps_are_round_few_and_reach_the_top(most in prop_oneof![0..100_u64, 0..1_000_000_u64, 0..u64::MAX / 10], steps in 1..9_u64) {
            let ticks = round_steps(most, steps);
            let step = ticks[1];
            prop_assert!(ticks.len() as u64 <= steps + 1, "few: {ticks:?}");
            prop_assert_eq!(ticks[0], 0);
            prop_assert!(ticks.windows(2).all(|two| two[1] - two[0] == step), "equal: {:?}", ticks);
            let last = *ticks.last().unwrap();
            prop_assert!(last >= most && (last - step < most || most == 0), "the top is just enough: {} {:?}", most, ticks);
            let mut digits = step;
            while digits.is_multiple_of(10) {
                digits /= 10;
            }
            prop_assert!([1, 2, 5].contains(&digits), "round: {}", step);
            // No rounder step would do: the next smaller one needs more of them.
            let smaller = match digits { 1 => step / 2, 2 => step / 2, _ => step / 5 * 2 };
            prop_assert!(step == 1 || most.div_ceil(smaller) > steps, "fine: {} of {}", step, most);
        }

        #[test]
        fn marks_stay_inside_and_do_not_overlap(values in proptest::collection::vec(proptest::collection::vec(0..1_000_000_u64, 2), 1..100)) {
            let days: Vec<_> = values.iter().map(|values| day(values.clone())).collect();
            let chart = stacked(String::new(), &days, None, 4, |n| n.to_string());
            prop_assert_eq!(chart.days.len(), values.len());
            let mut right = 0;
            for (column, values) in chart.days.iter().zip(&values) {
                prop_assert_eq!(column.bars.len(), values.iter().filter(|value| **value > 0).count());
                let mut floor = 10_000;
                for bar in &column.bars {
                    prop_assert!(bar.y.0 + bar.height.0 <= floor, "bars of a day stand on each other");
                    prop_assert!(bar.x >= column.x && bar.x.0 + bar.width.0 <= column.x.0 + column.width.0 + 1);
                    floor = bar.y.0;
                }
                prop_assert!(column.x.0 >= right);
                right = column.x.0;
            }
        }
    }

    #[test]
    fn steps_of_some_numbers() {
        for (most, steps, ticks) in [
            (0, 4, vec![0, 1]),
            (3, 4, vec![0, 1, 2, 3]),
            (7, 4, vec![0, 2, 4, 6, 8]),
            (41, 4, vec![0, 20, 40, 60]),
            (1_000, 2, vec![0, 500, 1_000]),
        ] {
            assert_eq!(round_steps(most, steps), ticks);
        }
        assert_eq!(round_steps(u64::MAX, 1), [0, u64::MAX], "nothing is rounder");
    }

    #[test]
    fn places_are_written_short() {
        for (part, whole, text) in
            [(0, 7, "0%"), (1, 2, "50%"), (1, 3, "33.33%"), (1, 8, "12.5%"), (9, 3, "100%"), (1, 1_000, "0.1%"), (5, 0, "100%")]
        {
            assert_eq!(Percent::of(part, whole).to_string(), text);
        }
        assert_eq!(Percent(1_005).to_string(), "10.05%");
    }

    #[test]
    fn a_line_has_gaps_where_days_are_empty() {
        let chart = ranges(String::new(), &[day(Some((1, 2))), day(Some((2, 4))), day(None), day(Some((1, 1)))], 4, |n| n.to_string());
        assert_eq!(chart.line.len(), 1);
        assert_eq!(
            chart.days[1].range.as_ref().map(|range| (range.value.to_string(), range.upper.to_string())),
            Some(("50%".into(), "0%".into()))
        );
        assert!(chart.days[2].range.is_none());
    }

    #[test]
    fn parts_fill_the_whole() {
        assert_eq!(
            parts(&[3, 0, 1]).iter().map(|(series, x, width)| format!("{series} {x} {width}")).collect::<Vec<_>>(),
            ["0 0% 75%", "2 75% 25%"]
        );
        assert!(parts(&[0, 0]).is_empty());
    }
}
