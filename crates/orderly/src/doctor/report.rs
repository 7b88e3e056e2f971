use std::{
    fmt::{self, Display, Formatter},
    process::ExitCode,
};

use serde::Serialize;

use super::finding::{Finding, Verdict, counted};
use crate::report::UNKNOWN;

/// All findings.
#[derive(Serialize)]
pub(super) struct Report {
    findings: Vec<Finding>,
    problems: usize,
    warnings: usize,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        let problems = of(&findings, Verdict::Problem).count();
        let warnings = of(&findings, Verdict::Warning).count();
        Self { findings, problems, warnings }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// A problem is one whatever else could not be found out; without any, what could not be may be one.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.problems > 0 {
            ExitCode::FAILURE
        } else if of(&self.findings, Verdict::Unknown).next().is_some() {
            ExitCode::from(UNKNOWN)
        } else {
            ExitCode::SUCCESS
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for verdict in Verdict::ALL {
            let texts: Vec<String> = of(&self.findings, verdict).map(Finding::text).collect();
            if !texts.is_empty() {
                writeln!(f, "{}\n{}\n", title(verdict), texts.join("\n"))?;
            }
        }
        let (ok, unknown) = (of(&self.findings, Verdict::Ok), of(&self.findings, Verdict::Unknown).count());
        write!(f, "{}, {}, ", counted(self.problems, "problem"), counted(self.warnings, "warning"))?;
        write!(f, "{} ok", ok.count())?;
        if unknown > 0 { write!(f, ", {unknown} unknown") } else { Ok(()) }
    }
}

fn of(findings: &[Finding], verdict: Verdict) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(move |finding| finding.verdict == verdict)
}

fn title(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "OK",
        Verdict::Unknown => "UNKNOWN",
        Verdict::Warning => "WARNINGS",
        Verdict::Problem => "PROBLEMS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdicts: &[fn() -> Finding]) -> Report {
        Report::new(verdicts.iter().map(|finding| finding()).collect())
    }

    fn fine() -> Finding {
        Finding::ok("memory", "there is room")
    }

    fn unknown() -> Finding {
        Finding::unknown("persistence", "it does not say", "look there")
    }

    fn warning() -> Finding {
        Finding::warning("latency", "it is far", "come nearer")
    }

    fn problem() -> Finding {
        Finding::problem("clock", "it is \u{1b}[2Jlate", "wind it up")
    }

    #[test]
    fn problems_stand_last_and_nothing_writes_on_the_terminal() {
        let text = report(&[problem, fine, unknown, warning]).to_string();
        let expected = "\
OK
  memory                    there is room

UNKNOWN
  persistence               it does not say
      do: look there

WARNINGS
  latency                   it is far
      do: come nearer

PROBLEMS
  clock                     it is \\u{1b}[2Jlate
      do: wind it up

1 problem, 1 warning, 1 ok, 1 unknown";
        assert_eq!(text, expected);
        assert!(report(&[fine, fine]).to_string().ends_with("\n0 problems, 0 warnings, 2 ok"));
    }

    #[test]
    fn a_problem_counts_before_what_is_unknown_and_a_warning_does_not() {
        let code = |findings: &[fn() -> Finding]| format!("{:?}", report(findings).exit_code());
        let is = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(&[fine, warning]), is(0));
        assert_eq!(code(&[fine, unknown, problem]), is(1));
        assert_eq!(code(&[unknown, warning]), is(2));
    }
}
