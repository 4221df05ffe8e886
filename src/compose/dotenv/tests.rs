use super::*;

fn read(text: &str) -> Result<Variables, Diagnostic> {
    let mut variables = Variables::new();
    let shell = |name: &str| (name == "SHELL").then(|| "sh".to_owned());
    parse(Path::new(".env"), text.as_bytes(), &mut variables, &shell).map(|()| variables)
}

#[test]
fn every_notation_of_a_value_is_read() {
    let text = "\u{feff}# comment\nA=1\nexport B = two words  # tail\nC: yaml\nD='single $A \\n'\nE=\"a\\tb\\$A \\\"q\\\" $A\"\n\
                F=\"line1\nline2\"\nG=\nH=${X:-$B}\nI=a#b\nSHELL\nNOPE\nJ='it\\'s'\nK=\"\\0101\\c\"\nL=1\\n\n\tM=x\r\nN=";
    let got = read(text).unwrap();
    for (key, want) in [
        ("A", "1"),
        ("B", "two words"),
        ("C", "yaml"),
        ("D", "single $A \\n"),
        ("E", "a\tb$A \"q\" 1"),
        ("F", "line1\nline2"),
        ("G", ""),
        ("H", "two words"),
        ("I", "a#b"),
        ("SHELL", "sh"),
        ("J", "it's"),
        ("K", "A\\c"),
        ("L", "1\\n"),
        ("M", "x"),
        ("N", ""),
    ] {
        assert_eq!(got.get(key).map(String::as_str), Some(want), "{key}");
    }
    assert!(!got.contains_key("NOPE"));
}

#[test]
fn faults_stand_at_a_place_and_show_no_value() {
    for (text, want) in [
        ("A=1\nB='x\n", ".env:2:3: a quoted value is not closed"),
        ("A!=1\n", ".env:1:2: unexpected character in a variable name"),
        ("A B=1\n", ".env:1:1: a variable name cannot contain a space"),
        ("A=1\nB=\0\n", ".env:2:3: the file holds a NUL byte"),
        ("A=1\nexport ", ".env:2:8: 'export' without a variable name"),
        ("A=${\n", ".env:1:3: invalid interpolation; a dollar sign itself is $$"),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), want);
    }
}

#[test]
fn odd_lines_mean_what_they_mean_to_compose() {
    for (text, want) in [
        ("A=\"\\0\\01\\012\\0123\\0400\\08\"", vec![("A", "\\\\1\\12S\\400\\8")]),
        ("A='b'c", vec![("", "c"), ("A", "b")]),
        ("A=1\nSHELL", vec![("", "SHELL"), ("A", "1")]),
        ("A=1\nSHELL\n", vec![("A", "1"), ("SHELL", "sh")]),
        ("A=\"b\" B=2 # c", vec![("A", "b"), ("B", "2")]),
        ("A=1\nA=2\nB=$A", vec![("A", "2"), ("B", "2")]),
        ("SHELL=file\nB=$SHELL", vec![("B", "sh"), ("SHELL", "file")]),
        ("A= #x\nB=x #y\nC=x#y", vec![("A", "#x"), ("B", "x"), ("C", "x#y")]),
        ("export\nA=1", vec![("A", "1")]),
    ] {
        let got = read(text).unwrap();
        let got: Vec<(&str, &str)> = got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(got, want, "{text}");
    }
}

#[test]
fn a_comment_may_be_in_any_encoding_and_a_value_not() {
    let mut got = Variables::new();
    parse(Path::new("e"), b"# caf\xe9\nA=1 # \xe9\n", &mut got, &|_| None).unwrap();
    assert_eq!(got["A"], "1");
    let wrong = parse(Path::new("e"), b"A=caf\xe9\n", &mut got, &|_| None).unwrap_err();
    assert_eq!(wrong.to_string(), "e:1:6: the file is not UTF-8 text");
}

#[test]
fn raw_lines_are_kept_byte_for_byte() {
    let mut got = Variables::new();
    let text = b"# c\nA='x' # y\n  B=$A\nSHELL\nC=\r\n";
    parse_raw(Path::new("e"), text, &mut got, &|_| Some("sh".to_owned())).unwrap();
    assert_eq!(got["A"], "'x' # y");
    assert_eq!(got["B"], "$A");
    assert_eq!(got["SHELL"], "sh");
    assert_eq!(got["C"], "");
    let wrong = parse_raw(Path::new("e"), b"\nA B=1", &mut got, &|_| None).unwrap_err();
    assert_eq!(wrong.to_string(), "e:2:1: a variable name contains white space");
    let long = parse_raw(Path::new("e"), &vec![b'x'; 64 << 10], &mut got, &|_| None).unwrap_err();
    assert_eq!(long.to_string(), "e:1:1: the line is longer than 64 KiB");
    assert!(parse_raw(Path::new("e"), b"A=\xe9", &mut got, &|_| None).is_err());
}
