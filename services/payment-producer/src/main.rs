//! The program; see the library.

fn main() -> std::process::ExitCode {
    common::process::main(payment_producer::NAME, std::env::args_os(), payment_producer::run)
}
