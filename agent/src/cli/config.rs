//! `kerf config`: checks a configuration before kerfd meets it, or shows the one in force.

use std::path::{Path, PathBuf};

use kerf_api::json::Config;
use kerf_api::v1;

use super::client::soon;
use super::fail::Failure;
use super::style::{Ink, Style};
use super::{Context, Exit};
use crate::config::file::FileConfig;
use crate::config::{ConfigError, DEFAULT_PATH, read_files};

/// `kerf config`
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Check a file and its drop-ins as kerfd would; needs no kerfd
    Check {
        /// The file; default: /etc/kerf/kerf.toml, if it exists
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// The configuration in force
    Show,
}

/// Checks or shows the configuration.
pub async fn run(verb: &Verb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        Verb::Check { file } => {
            let config = check(file.as_deref())?;
            let document = Config::try_from(&config).map_err(Failure::AnsweredConfig)?;
            context.print.document(&document, render_check)?;
        }
        Verb::Show => {
            let mut client = context.connect().await?;
            let config = client.get_config(soon(v1::GetConfigRequest {})).await;
            let config = config
                .map_err(Failure::call("read the configuration"))?
                .into_inner();
            if context.print.is_table() {
                context.print.styled(|style| render(&config, style))?;
            } else {
                let document = Config::try_from(&config).map_err(Failure::AnsweredConfig)?;
                context.print.document(&document, |_, _| String::new())?;
            }
        }
    }
    Ok(Exit::Done)
}

/// What kerfd would run with, and the files that it came from.
fn check(file: Option<&Path>) -> Result<v1::Config, ConfigError> {
    let (config, files) = read_files(file)?;
    // Neither the folder of programs nor the host's name can make a configuration right or wrong.
    let config = config.resolve(Path::new("/usr/bin"), "localhost")?;
    let toml = toml::to_string(&FileConfig::from(&config)).unwrap_or_default();
    Ok(v1::Config {
        toml,
        files: files
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
    })
}

/// Which files are right.
pub fn render_check(config: &Config, style: Style) -> String {
    if config.files.is_empty() {
        return format!("{DEFAULT_PATH} does not exist: every setting has its default\n");
    }
    let right = style.paint(Ink::Green, "right");
    config
        .files
        .iter()
        .map(|file| format!("{file}: {right}\n"))
        .collect()
}

/// The settings as a file, below the names of the files that they came from.
pub fn render(config: &v1::Config, style: Style) -> String {
    let from = |file: &String| format!("{}\n", style.paint(Ink::Dim, format!("# from {file}")));
    config.files.iter().map(from).collect::<String>() + &config.toml
}
