use std::time::Instant as Wall;

use super::*;

fn sh(script: &str) -> Command {
    Command::new(["/bin/sh", "-c", script])
}

async fn run(command: &Command) -> (Finished, Vec<String>) {
    let mut lines = Vec::new();
    let finished = SystemHost.run(command, &mut |l| lines.push(l.to_owned())).await.unwrap();
    (finished, lines)
}

#[tokio::test(flavor = "current_thread")]
async fn both_outputs_come_as_lines_and_only_one_is_kept() {
    let (finished, lines) = run(&sh("echo one; sleep 0.1; echo two >&2; sleep 0.1; printf three; exit 7")).await;
    assert_eq!(lines, ["one", "two", "three"]);
    assert_eq!(finished.tail, lines);
    assert_eq!((finished.code, finished.timed_out, finished.stdout.as_str()), (7, false, "one\nthree"));
}

#[tokio::test(flavor = "current_thread")]
async fn environment_and_folder_are_as_given_and_input_is_empty() {
    let mut command = sh("cat; pwd; echo $GREETING").env("GREETING", "hello");
    command.dir = Some("/usr".into());
    assert_eq!(run(&command).await.1, ["/usr", "hello"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_signal_is_a_code_as_in_a_shell() {
    assert_eq!(run(&sh("kill -9 $$")).await.0.code, 137);
}

#[tokio::test(flavor = "current_thread")]
async fn a_child_that_keeps_the_pipe_does_not_hold_us() {
    let start = Wall::now();
    let (finished, lines) = run(&sh("sleep 30 & echo started")).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((finished.code, lines), (0, vec!["started".to_owned()]));
}

#[tokio::test(flavor = "current_thread")]
async fn the_deadline_ends_the_whole_group_gently() {
    let script = "trap 'echo asked; exit 3' TERM; sleep 30 & wait";
    let (finished, lines) = run(&sh(script).timeout(Duration::from_millis(300))).await;
    assert_eq!((finished.code, finished.timed_out, lines), (3, true, vec!["asked".to_owned()]));
}

#[tokio::test(flavor = "current_thread")]
async fn flood_of_output_ends_at_the_deadline() {
    let start = Wall::now();
    let (finished, lines) = run(&sh("exec yes").timeout(Duration::from_millis(500))).await;
    assert!(finished.timed_out && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!((finished.tail.len(), finished.tail[0].as_str()), (50, "y"));
    assert!(lines.len() < 2000, "{} lines were passed on", lines.len());
    assert!(lines.last().unwrap().ends_with(" lines of output left out"), "{:?}", lines.last());
}

#[tokio::test(flavor = "current_thread")]
async fn who_ignores_term_is_killed_with_its_children() {
    let script = "trap '' TERM; sleep 77777 & echo $!; wait";
    let start = Wall::now();
    let (finished, lines) = run(&sh(script).timeout(Duration::from_millis(200))).await;
    assert!(finished.timed_out && start.elapsed() >= GRACE);
    assert_eq!(finished.code, 137);
    let child = PathBuf::from(format!("/proc/{}/stat", lines[0]));
    let gone = || std::fs::read_to_string(&child).map_or(true, |stat| stat.contains(") Z"));
    for _ in 0..50 {
        if gone() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("child {} is still there", lines[0]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_cancelled_command_is_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("trap 'touch {}; exit' TERM; sleep 30 & wait", mark.display());
    let command = sh(&script);
    let mut line = |_: &str| ();
    let cut = tokio::time::timeout(Duration::from_millis(300), SystemHost.run(&command, &mut line)).await;
    assert!(cut.is_err());
    for _ in 0..100 {
        if mark.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the group was not signalled");
}

#[tokio::test(flavor = "current_thread")]
async fn a_program_that_is_not_there_is_named() {
    let err = SystemHost.run(&Command::new(["no-such-program"]), &mut |_| ()).await.unwrap_err();
    assert_eq!(err.message, "could not start no-such-program: no such program in PATH");
    let mut nowhere = sh("true");
    nowhere.dir = Some("/no/such/folder".into());
    let err = SystemHost.run(&nowhere, &mut |_| ()).await.unwrap_err();
    assert!(err.message.starts_with("could not start /bin/sh: "), "{err}");
}

#[tokio::test(flavor = "current_thread")]
async fn a_detached_program_has_a_session_of_its_own_and_writes_to_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let command = sh("echo $(cut -d' ' -f6 /proc/self/stat) $$; echo err >&2");
    SystemHost.spawn_detached(&command, &log).await.unwrap();
    for _ in 0..100 {
        let text = std::fs::read_to_string(&log).unwrap();
        if let [ids, "err"] = text.lines().collect::<Vec<_>>()[..] {
            let (session, pid) = ids.split_once(' ').unwrap();
            assert_eq!(session, pid, "the shell leads its session");
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing in the log");
}
