//! Whether content is a program. S3 has no modes, so that what was executable where it came from is recognised by its
//! first bytes: a script by `#!`, a program by its ELF header.

/// Types of ELF files: with fixed addresses, and position-independent, which are programs and libraries.
const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;

/// Kinds of program headers: dynamic section, and path of the dynamic linker.
const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;

/// The dynamic entry with flags, and its flag for a position-independent executable.
const DT_FLAGS_1: u64 = 0x6fff_fffb;
const DF_1_PIE: u64 = 0x0800_0000;

/// Most program headers, and most entries of a dynamic section, that are looked at.
const MAX_ENTRIES: u64 = 512;

/// Whether content is a script or a program for Linux. A library is neither.
pub(super) fn is_executable(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#!") || Elf::open(bytes).is_some_and(|elf| elf.is_program())
}

/// An ELF file.
struct Elf<'a> {
    bytes: &'a [u8],
    /// Whether addresses have 64 bits.
    wide: bool,
    big_endian: bool,
}

impl<'a> Elf<'a> {
    fn open(bytes: &'a [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"\x7fELF")?;
        let wide = match rest.first()? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let big_endian = match rest.get(1)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        Some(Self { bytes, wide, big_endian })
    }

    /// A program has fixed addresses, a dynamic linker, or the flag that linkers set for a static one without fixed
    /// addresses.
    fn is_program(&self) -> bool {
        match self.number(16, 2) {
            Some(ET_EXEC) => true,
            Some(ET_DYN) => self.segments().any(|(kind, offset, size)| match kind {
                PT_INTERP => true,
                PT_DYNAMIC => self.has_flag(offset, size),
                _ => false,
            }),
            _ => false,
        }
    }

    /// Kind, offset and size of each program header.
    fn segments(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let (table, entry_size, count) = if self.wide { ((32, 8), 54, 56) } else { ((28, 4), 42, 44) };
        let table = self.number(table.0, table.1);
        let (entry_size, count) = (self.number(entry_size, 2), self.number(count, 2));
        let found = table.zip(entry_size).zip(count);
        found.into_iter().flat_map(move |((table, entry_size), count)| {
            (0..count.min(MAX_ENTRIES)).map_while(move |index| {
                let at = table.checked_add(index.checked_mul(entry_size)?)?;
                let (offset, size) = if self.wide { (8, 32) } else { (4, 16) };
                let field = |from: u64| self.number(at.checked_add(from)?, self.word());
                Some((self.number(at, 4)?, field(offset)?, field(size)?))
            })
        })
    }

    fn has_flag(&self, offset: u64, size: u64) -> bool {
        let word = self.word();
        let mut entries = (0..(size / (2 * word)).min(MAX_ENTRIES)).map_while(|index| {
            let at = offset.checked_add(index * 2 * word)?;
            Some((self.number(at, word)?, self.number(at.checked_add(word)?, word)?))
        });
        entries.any(|(tag, value)| tag == DT_FLAGS_1 && value & DF_1_PIE != 0)
    }

    fn word(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    /// The number at an offset.
    fn number(&self, at: u64, size: u64) -> Option<u64> {
        let (at, size) = (usize::try_from(at).ok()?, usize::try_from(size).ok()?);
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let shift = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An ELF header with one program header, which points to one dynamic entry.
    fn elf(wide: bool, big_endian: bool, kind: u16, segment: u32, flags: u64) -> Vec<u8> {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', if wide { 2 } else { 1 }, if big_endian { 2 } else { 1 }, 1];
        bytes.resize(160, 0);
        let word = if wide { 8 } else { 4 };
        let mut put = |at: usize, size: usize, value: u64| {
            let mut text = value.to_le_bytes()[..size].to_vec();
            if big_endian {
                text.reverse();
            }
            bytes[at..at + size].copy_from_slice(&text);
        };
        put(16, 2, u64::from(kind));
        let (table, entry_size, count) = if wide { (32, 54, 56) } else { (28, 42, 44) };
        put(table, word, 64);
        put(entry_size, 2, if wide { 56 } else { 32 });
        put(count, 2, 1);
        put(64, 4, u64::from(segment));
        put(64 + if wide { 8 } else { 4 }, word, 128);
        put(64 + if wide { 32 } else { 16 }, word, 2 * word as u64);
        put(128, word, DT_FLAGS_1);
        put(128 + word, word, flags);
        bytes
    }

    #[test]
    fn programs_are_told_from_libraries() {
        for wide in [true, false] {
            for big_endian in [true, false] {
                let executable = |kind, segment, flags| is_executable(&elf(wide, big_endian, kind, segment, flags));
                assert!(executable(2, 1, 0), "fixed addresses");
                assert!(executable(3, 3, 0), "dynamic linker");
                assert!(executable(3, 2, DF_1_PIE | 1), "static, without fixed addresses");
                assert!(!executable(3, 2, 1), "library");
                assert!(!executable(1, 1, 0), "object file");
                assert!(!executable(4, 1, 0), "core dump");
            }
        }
        assert!(is_executable(b"#!/bin/sh\n"));
        for other in [&b""[..], b"\x7fELF", b"\x7fELF\x02", b"\x7fELF\x03\x01", b"MZ", b"services: {}"] {
            assert!(!is_executable(other), "{other:?}");
        }
    }

    #[test]
    fn files_of_this_machine_are_recognised() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(is_executable(&this));
        assert!(is_executable(&std::fs::read("/bin/sh").unwrap()));
    }

    proptest! {
        #[test]
        fn damaged_headers_are_read_without_harm(
            wide in any::<bool>(), big_endian in any::<bool>(), cut in 0..160usize,
            damage in proptest::collection::vec((16..160usize, any::<u8>()), 0..24),
        ) {
            let mut bytes = elf(wide, big_endian, 3, 2, DF_1_PIE);
            for (at, value) in damage {
                bytes[at] = value;
            }
            is_executable(&bytes[..cut]);
            is_executable(&bytes);
        }
    }
}
