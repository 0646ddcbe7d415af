//! kerfd: the daemon. See `kerf_agent::daemon`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use kerf_agent::daemon::{Args, run};

fn main() -> ExitCode {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("KERF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(args)),
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// One cause per line; a configuration error with its place in the file.
fn report(error: &anyhow::Error) {
    let mut stderr = std::io::stderr().lock();
    let text = match error.downcast_ref::<kerf_agent::config::ConfigError>() {
        Some(error) => kerf_agent::config::error::show(error),
        None => error
            .chain()
            .enumerate()
            .map(|(at, cause)| {
                format!(
                    "{}{cause}\n",
                    if at == 0 { "kerfd: " } else { "  because: " }
                )
            })
            .collect(),
    };
    // Nowhere is left to complain to when stderr is closed.
    drop(stderr.write_all(text.as_bytes()));
}
