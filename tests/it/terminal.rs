//! What a run does to the terminal that it is shown on, and that it gives that back as it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
use nix::sys::termios::{FlowArg, LocalFlags, Termios, tcflow, tcgetattr};

use crate::support::{QuickRun, Running, alive, command_line, eventually, send, twinstorm};

/// The other screen is entered and left by these.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
const CTRL_C: &[u8] = &[3];
const CTRL_L: &[u8] = &[12];
const CTRL_Z: &[u8] = &[26];

/// A terminal, and the program that runs on it. The program is killed when this is dropped.
struct OnTerminal {
    child: Child,
    keyboard: File,
    /// The program's end, kept so that the modes can be looked at once the program has gone.
    line: OwnedFd,
    before: Termios,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl OnTerminal {
    /// Starts `command` as a shell would; its standard streams are the terminal unless `piped` takes its output.
    fn start(command: &Command, piped: bool) -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let line = || Stdio::from(terminal.slave.try_clone().unwrap());
        // Its own session, whose terminal this is: else keys make no signals.
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        session.env("TERM", "xterm-256color").env_remove("NO_COLOR").stdin(line()).stderr(line());
        session.stdout(if piped { Stdio::piped() } else { line() });
        let before = tcgetattr(&terminal.slave).unwrap();
        let child = session.spawn().unwrap();
        // The command keeps its ends of the terminal until it goes.
        drop(session);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (sink, mut screen) = (Arc::clone(&shown), File::from(terminal.master.try_clone().unwrap()));
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut buffer) {
                sink.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        let (keyboard, line) = (File::from(terminal.master), terminal.slave);
        Self { child, keyboard, line, before, shown, reader: Some(reader) }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    /// What was sent to the terminal so far.
    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits until the whole picture, drawn anew on demand, has `words`.
    #[track_caller]
    fn until_it_shows(&mut self, words: &str) {
        let shows = |shown: &str| letters(shown).contains(&letters(words));
        eventually(words, || {
            self.press(CTRL_L);
            shows(&self.shown()) || !alive(self.child.id())
        });
        assert!(shows(&self.shown()), "`{words}` was never shown:\n{}", self.shown());
    }

    /// The hub beside it.
    fn hub(&self) -> u32 {
        let hub = |pid: &u32| command_line(*pid).contains(&"hub".to_owned());
        crate::support::children_of(self.child.id()).into_iter().find(hub).unwrap()
    }

    /// Waits for its end; its exit code, and all that was shown.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, String) {
        let pid = self.child.id();
        eventually("the program ended", || !alive(pid));
        let code = self.child.wait().unwrap().code();
        let after = tcgetattr(&self.line).unwrap();
        assert_eq!(modes(&after), modes(&self.before), "the terminal's modes");
        // With nobody left at the program's end, the reader comes to its own.
        let Self { line, reader, shown, .. } = &mut self;
        drop(std::mem::replace(line, File::open("/dev/null").unwrap().into()));
        reader.take().unwrap().join().unwrap();
        let shown = String::from_utf8_lossy(&shown.lock().unwrap()).into_owned();
        (code, shown)
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modes(termios: &Termios) -> impl PartialEq + std::fmt::Debug + use<> {
    (termios.input_flags, termios.output_flags, termios.control_flags, termios.local_flags, termios.control_chars)
}

/// What is left of `text` without blanks, which are not drawn where there are some already, and control sequences.
fn letters(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut letters = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        letters.push_str(&part[end..]);
    }
    letters.retain(|c| !c.is_whitespace());
    letters
}

/// What was printed once the screen had been left for good.
#[track_caller]
fn afterwards(shown: &str) -> &str {
    assert_eq!((shown.matches(ENTER).count(), shown.matches(LEAVE).count()), (1, 1), "{shown}");
    let (before, after) = shown.split_once(LEAVE).unwrap();
    assert!(before.contains(ENTER), "{shown}");
    assert!(before.contains(SHOW_CURSOR) || after.contains(SHOW_CURSOR), "{shown}");
    after
}

/// A run that takes longer than any test waits.
fn long(quick: &QuickRun) -> Command {
    let mut command = quick.command(&["run", "quickstart", "--devices", "40", "--rate", "100"], &[]);
    command.args(["--set", "firmware.apply=10m", "--set", "observe.stage_deadline=20m"]);
    command
}

/// A run of a few seconds.
fn short(quick: &QuickRun) -> Command {
    quick.command(&["run", "quickstart", "--devices", "40", "--rate", "20"], &[])
}

#[test]
fn q_stops_gracefully_and_the_terminal_is_as_it_was() {
    let quick = QuickRun::new();
    let mut run = OnTerminal::start(&long(&quick), false);
    run.until_it_shows("40 of 40 connected");
    run.until_it_shows("applying");
    assert!(!tcgetattr(&run.line).unwrap().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO));
    // It does not suspend a run, and a second one does not end it at once.
    run.press(CTRL_Z);
    run.press(b"qq");
    let (code, shown) = run.end();
    assert_eq!(code, Some(97), "{shown}");
    let after = afterwards(&shown);
    let (said, table) = (after.find("stopping: writing what there is"), after.find("results   "));
    assert!(said.is_some() && said < table, "what was said, then the table:\n{after}");
    assert_eq!(quick.results()["verdict"], "aborted");
}

#[test]
fn ctrl_c_stops_and_again_leaves_at_once() {
    let quick = QuickRun::new();
    let mut run = OnTerminal::start(&long(&quick), false);
    run.until_it_shows("40 of 40 connected");
    // The shard waits for a hub that answers nothing.
    let hub = run.hub();
    send(hub, Signal::SIGSTOP);
    run.press(CTRL_C);
    run.press(b"q");
    run.press(CTRL_C);
    let (code, shown) = run.end();
    assert_eq!(code, Some(97), "{shown}");
    afterwards(&shown);
    eventually("the hub is gone", || !alive(hub));
}

#[test]
fn a_polite_kill_gives_the_terminal_back() {
    let quick = QuickRun::new();
    let mut run = OnTerminal::start(&long(&quick), false);
    run.until_it_shows("40 of 40 connected");
    send(run.child.id(), Signal::SIGTERM);
    let (code, shown) = run.end();
    assert_eq!(code, Some(97), "{shown}");
    assert!(afterwards(&shown).contains("results   "), "{shown}");
}

#[test]
fn a_terminal_that_does_not_read_holds_up_nothing_but_the_last_words() {
    let quick = QuickRun::new();
    let mut run = OnTerminal::start(&short(&quick), false);
    run.until_it_shows("Devices by stage");
    tcflow(&run.line, FlowArg::TCOOFF).unwrap();
    eventually("the results are written", || quick.out().join("results.json").exists());
    assert!(!run.shown().contains(LEAVE));
    tcflow(&run.line, FlowArg::TCOON).unwrap();
    let (code, shown) = run.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(afterwards(&shown).contains("results   "), "{shown}");
}

#[test]
fn who_leaves_at_once_waits_for_no_terminal() {
    let quick = QuickRun::new();
    let mut run = OnTerminal::start(&long(&quick), false);
    run.until_it_shows("40 of 40 connected");
    tcflow(&run.line, FlowArg::TCOOFF).unwrap();
    send(run.child.id(), Signal::SIGINT);
    eventually("the results are written", || quick.out().join("results.json").exists());
    send(run.child.id(), Signal::SIGINT);
    let pid = run.child.id();
    eventually("the program ended", || !alive(pid));
    tcflow(&run.line, FlowArg::TCOON).unwrap();
    // Its modes are as they were, which `end` checks; the rest nobody took.
    assert_eq!(run.end().0, Some(97));
}

#[test]
fn an_error_leaves_the_screen_before_it_is_told() {
    let quick = QuickRun::new();
    let mut command = twinstorm(&["run", "quickstart", "--devices", "5"]);
    command.arg("--out").arg(quick.out());
    // Found out once the hub has started: nobody may load an address of somebody else's.
    let sum = "0".repeat(64);
    command.args(["--set", &format!("firmware.image={{ url = \"http://192.0.2.1/image\", sha256 = \"{sum}\" }}")]);
    let (code, shown) = OnTerminal::start(&command, false).end();
    assert_eq!(code, Some(2), "{shown}");
    assert!(afterwards(&shown).contains("error: ") && shown.contains("192.0.2.1"), "{shown}");
}

#[test]
fn nothing_is_drawn_but_on_a_terminal() {
    let quick = QuickRun::new();
    let ended = Running::start(short(&quick)).wait().expect(0);
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("| connected 40/40 |"), "{}", ended.stderr);
}

#[test]
fn lines_are_what_a_piped_or_a_dumb_terminal_and_who_asks_for_them_get() {
    for what in ["piped", "plain", "dumb"] {
        let quick = QuickRun::new();
        let mut command = short(&quick);
        let piped = what == "piped";
        if what == "plain" {
            command.arg("--plain");
        } else if what == "dumb" {
            let mut dumb = Command::new("env");
            dumb.arg("TERM=dumb").arg(command.get_program()).args(command.get_args());
            command = dumb;
        }
        let mut run = OnTerminal::start(&command, piped);
        let mut output = run.child.stdout.take();
        let pipe = std::thread::spawn(move || {
            let mut text = String::new();
            output.as_mut().map(|output| output.read_to_string(&mut text)).transpose().unwrap();
            text
        });
        let (code, shown) = run.end();
        assert_eq!(code, Some(0), "{what}: {shown}");
        assert!(!shown.contains("\u{1b}[?"), "{what}: {shown}");
        assert!(shown.contains("| connected 40/40 |"), "{what}: {shown}");
        let printed = pipe.join().unwrap();
        assert!(!printed.contains('\u{1b}') && piped == printed.contains("results   "), "{what}: {printed}");
        assert!(!piped || !shown.contains('\u{1b}'), "{shown}");
    }
}
