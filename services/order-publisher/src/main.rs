//! The program; see the library.

fn main() -> std::process::ExitCode {
    common::process::main(order_publisher::NAME, std::env::args_os(), order_publisher::run)
}
