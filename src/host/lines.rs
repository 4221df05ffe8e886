//! Output of programs, line by line.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::printable;

/// A line is cut after this many bytes.
pub const LONGEST: usize = 8 * 1024;

/// How many last lines are kept of a program's output.
pub const TAIL: usize = 50;

/// Cuts a stream of bytes into lines: lossy UTF-8, without line ends and control characters, read no further than
/// [`LONGEST`].
#[derive(Default)]
pub struct Splitter {
    line: Vec<u8>,
    cut: bool,
}

impl Splitter {
    /// Takes the next bytes; `line` gets each line that they complete.
    pub fn push(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            self.keep(&bytes[..end]);
            self.end(line);
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
    }

    /// The stream is over: a last line without an end counts too.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.line.is_empty() {
            self.end(line);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST - self.line.len();
        self.cut |= bytes.len() > room;
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self, line: &mut dyn FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.line);
        let text = printable::line(&text);
        if self.cut {
            line(&format!("{text}…"));
        } else {
            line(&text);
        }
        self.line.clear();
        self.cut = false;
    }
}

/// Passes lines on at a bounded rate: a program that floods its output must fill neither the disk nor the time of the
/// run. The journal of systemd would drop lines of ours too, at 10,000 in 30 s of one unit (journald.conf(5)).
#[derive(Default)]
pub struct Limiter {
    window: Option<Instant>,
    passed: u32,
    omitted: u64,
}

impl Limiter {
    /// Lines that are passed on in each [`Limiter::WINDOW`].
    const LINES: u32 = 1000;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Hands the line to `line`, or counts it.
    pub fn pass(&mut self, text: &str, line: &mut dyn FnMut(&str)) {
        let now = Instant::now();
        if self.window.is_none_or(|begin| now.duration_since(begin) >= Self::WINDOW) {
            self.finish(line);
            (self.window, self.passed) = (Some(now), 0);
        }
        if self.passed < Self::LINES {
            self.passed += 1;
            line(text);
        } else {
            self.omitted += 1;
        }
    }

    /// Reports how many lines were left out.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        match std::mem::take(&mut self.omitted) {
            0 => {}
            count => line(&format!("… {count} lines of output left out")),
        }
    }
}

/// The last lines of something.
#[derive(Default)]
pub struct Tail(VecDeque<String>);

impl Tail {
    /// Adds a line; the oldest of more than [`TAIL`] goes.
    pub fn push(&mut self, line: &str) {
        if self.0.len() == TAIL {
            self.0.pop_front();
        }
        self.0.push_back(line.to_owned());
    }

    /// The lines, oldest first.
    pub fn into_lines(self) -> Vec<String> {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        let mut line = |l: &str| seen.push(l.to_owned());
        for chunk in chunks {
            splitter.push(chunk, &mut line);
        }
        splitter.finish(&mut line);
        seen
    }

    #[test]
    fn lines_are_put_together_from_chunks_and_the_last_needs_no_end() {
        assert_eq!(lines(&[b"on", b"e\r\ntwo\n\nth", b"ree"]), ["one", "two", "", "three"]);
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_as_such() {
        assert_eq!(lines(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(lines(&[b"\x1b[2Jx\ry\tz\r\n"]), ["\\u001b[2Jx\\ry\tz"]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_is_whole() {
        let mut long = vec![b'x'; LONGEST + 1];
        long.extend_from_slice(b"\nnext\n");
        let seen = lines(&[&long]);
        assert_eq!(seen[0].len(), LONGEST + '…'.len_utf8());
        assert_eq!(seen[1], "next");
        assert!(!lines(&[&vec![b'x'; LONGEST]])[0].ends_with('…'));
    }

    #[test]
    fn lines_over_the_rate_are_counted() {
        let (mut limiter, mut seen) = (Limiter::default(), Vec::new());
        let mut line = |text: &str| seen.push(text.to_owned());
        (0..Limiter::LINES + 5).for_each(|n| limiter.pass(&n.to_string(), &mut line));
        limiter.finish(&mut line);
        limiter.finish(&mut line);
        assert_eq!(seen.len(), Limiter::LINES as usize + 1);
        assert_eq!(seen[seen.len() - 1], "… 5 lines of output left out");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        (0..60).for_each(|n| tail.push(&n.to_string()));
        let lines = tail.into_lines();
        assert_eq!((lines.len(), lines[0].as_str(), lines[49].as_str()), (TAIL, "10", "59"));
    }
}
