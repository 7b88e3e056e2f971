//! The program; see the library.

fn main() -> std::process::ExitCode {
    common::process::main(api_gateway::NAME, std::env::args_os(), api_gateway::run)
}
