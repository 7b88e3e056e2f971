use std::{fmt, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};

/// For how long a ranking counts before a new one begins. In UTC; a week begins on Monday, as in ISO 8601.
///
/// Each lies within one of the next: an hour in a day, a day in a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// For ever.
    AllTime,
}

/// The text is no window.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a window: `hour`, `day`, `week` and `all` are")]
pub struct UnknownWindow;

/// One of a window's stretches of time, such as a certain day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    window: Window,
    /// Unix milliseconds; of all time, when its ticks begin.
    begins: i64,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// The first Monday after 1970 began, which was on a Thursday.
const MONDAY: i64 = 4 * DAY;

/// 2020-01-01: what was reached before counts, among ties, as reached then.
const FIRST_TICK: i64 = 1_577_836_800_000;

/// For how long after that times are told apart.
const CENTURY: i64 = 36_525 * DAY;

impl Window {
    /// The period that a moment lies in.
    pub fn at(self, moment: Timestamp) -> Period {
        let since = |origin: i64, length: i64| {
            origin + (moment.as_millisecond() - origin).div_euclid(length) * length
        };
        let begins = match self {
            Self::Hour => since(0, HOUR),
            Self::Day => since(0, DAY),
            Self::Week => since(MONDAY, WEEK),
            Self::AllTime => FIRST_TICK,
        };
        Period { window: self, begins }
    }

    /// The period that is running, by this machine's clock.
    pub fn now(self) -> Period {
        self.at(Timestamp::now())
    }

    /// How long its periods are, in milliseconds; of all time, for how long times are told apart.
    pub(super) fn length(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
            Self::Week => WEEK,
            Self::AllTime => CENTURY,
        }
    }
}

impl Period {
    /// Whose it is.
    pub fn window(self) -> Window {
        self.window
    }

    /// When it begins; `None` of all time.
    pub fn begins(self) -> Option<Timestamp> {
        self.ends_in(0)
    }

    /// When the next one begins; `None` of all time.
    pub fn ends(self) -> Option<Timestamp> {
        self.ends_in(1)
    }

    /// The one before; `None` of all time.
    pub fn previous(self) -> Option<Self> {
        (self.window != Window::AllTime).then(|| Self { begins: self.begins - self.window.length(), ..self })
    }

    /// When the last of so many that follow each other ends, of which this is the first; `None` of all time.
    pub(super) fn ends_in(self, periods: u32) -> Option<Timestamp> {
        if self.window == Window::AllTime {
            return None;
        }
        Timestamp::from_millisecond(self.begins + i64::from(periods) * self.window.length()).ok()
    }

    /// How long after its beginning that is, in milliseconds; less than 0 before.
    pub(super) fn since_begin(self, moment: Timestamp) -> i64 {
        moment.as_millisecond() - self.begins
    }
}

/// As keys spell it: `hour:2026-11-27T13`, `day:2026-11-27`, `week:2026-W48`, `all`.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(begins) = self.begins() else { return f.write_str("all") };
        let begins = begins.to_zoned(TimeZone::UTC);
        let name = match self.window {
            Window::Hour => begins.strftime("hour:%Y-%m-%dT%H"),
            Window::Day => begins.strftime("day:%Y-%m-%d"),
            Window::Week | Window::AllTime => begins.strftime("week:%G-W%V"),
        };
        write!(f, "{name}")
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::AllTime => "all",
        })
    }
}

impl FromStr for Window {
    type Err = UnknownWindow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Hour, Self::Day, Self::Week, Self::AllTime];
        all.into_iter().find(|window| window.to_string() == text).ok_or(UnknownWindow)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_is_named_by_when_it_is() {
        let moment = time("2026-11-27T13:45:10Z");
        let names = [Window::Hour, Window::Day, Window::Week, Window::AllTime]
            .map(|window| window.at(moment).to_string());
        assert_eq!(names, ["hour:2026-11-27T13", "day:2026-11-27", "week:2026-W48", "all"]);
    }

    #[test]
    fn a_week_begins_on_monday_and_belongs_to_the_year_of_its_thursday() {
        let week = Window::Week.at(time("2027-01-03T23:59:59.999Z"));
        assert_eq!(week.to_string(), "week:2026-W53");
        assert_eq!(week.begins(), Some(time("2026-12-28T00:00:00Z")));
        assert_eq!(week.ends(), Some(time("2027-01-04T00:00:00Z")));
        assert_eq!(Window::Week.at(time("2027-01-04T00:00:00Z")).to_string(), "week:2027-W01");
        assert_eq!(week.previous().unwrap().to_string(), "week:2026-W52");
    }

    #[test]
    fn all_time_has_no_end() {
        let all = Window::AllTime.now();
        assert_eq!((all.begins(), all.ends(), all.previous()), (None, None, None));
    }

    #[test]
    fn a_window_is_read_as_it_is_written() {
        for window in [Window::Hour, Window::Day, Window::Week, Window::AllTime] {
            assert_eq!(window.to_string().parse(), Ok(window));
        }
        assert_eq!("month".parse::<Window>(), Err(UnknownWindow));
    }

    proptest! {
        #[test]
        fn each_period_lies_within_one_of_the_next_window(ms in -4_000_000_000_000_i64..8_000_000_000_000) {
            let moment = Timestamp::from_millisecond(ms).unwrap();
            for (inner, outer) in [(Window::Hour, Window::Day), (Window::Day, Window::Week)] {
                let (inner, outer) = (inner.at(moment), outer.at(moment));
                prop_assert!(outer.begins() <= inner.begins() && inner.ends() <= outer.ends());
                prop_assert!(inner.begins().unwrap() <= moment && moment < inner.ends().unwrap());
            }
        }
    }
}
