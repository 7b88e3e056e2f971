//! The program; see the library.

fn main() -> std::process::ExitCode {
    common::process::main(notification_subscriber::NAME, std::env::args_os(), notification_subscriber::run)
}
