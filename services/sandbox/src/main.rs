//! The sandbox as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    common::process::main(sandbox::NAME, std::env::args_os(), sandbox::run)
}
