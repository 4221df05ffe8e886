//! Log lines: text or JSON, on standard error, where systemd and the console pick them up. What is hidden is masked
//! here, whoever wrote it.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    cli::{LogFormat, LogLevel},
    printable, redact,
};

/// Sets up logging for the whole process. Only our own lines are written below `warn`: libraries speak of headers
/// and bodies there, which may carry secrets.
pub fn init(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let ours = ["rolecall", "script", "packages", "docker", "hook"];
    let filter =
        Targets::new().with_default(level.min(LevelFilter::ERROR)).with_targets(ours.map(|name| (name, level)));
    let lines = fmt::layer().with_writer(|| Masked);
    let layer = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        // The journal has its own clock; a second timestamp would only push the text off the console.
        LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => {
            lines.without_time().with_ansi(false).with_target(false).boxed()
        }
        LogFormat::Text => lines.with_ansi(false).with_target(false).with_timer(Clock).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}

/// Standard error, for whole lines: each is written at once.
struct Masked;

impl Write for Masked {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        // One event is one line. A reader that has gone away, or a disk that is full, is no reason to fail.
        let _ = io::stderr().write_all(format!("{}\n", printable::line(&redact::mask(&text))).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// UTC, to the second.
struct Clock;

impl fmt::time::FormatTime for Clock {
    fn format_time(&self, out: &mut fmt::format::Writer<'_>) -> std::fmt::Result {
        write!(out, "{}", jiff::Timestamp::now().strftime("%H:%M:%SZ"))
    }
}
