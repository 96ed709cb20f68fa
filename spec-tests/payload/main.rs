//! The program inside the containers that the suite starts: one small static file that reports what it sees and
//! what it may do. Arguments are commands, separated by `;`, carried out in order.

mod agent;
mod attack;
mod attempt;
mod hook;
mod inspect;
mod json;
mod launch;
mod signals;
mod syscall;
mod without;

use json::Json;
use std::io::{Read, Write};
use syscall::call;

fn main() {
    let args: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    if args.first().is_some_and(|a| a == "launch") {
        launch::launch(&args[1..]);
    }
    if args.first().is_some_and(|a| a == "without") {
        without::run(&args[1..]);
    }
    for command in args.split(|a| a == ";") {
        if let Some((name, rest)) = command.split_first() {
            run(name, rest);
        }
    }
}

fn run(name: &str, args: &[String]) {
    let arg = |i: usize| args.get(i).map_or("", String::as_str);
    match name {
        "inspect" => print(&inspect::everything()),
        "echo" => say(&format!("{}\n", args.join(" "))),
        "echo-n" => say(&args.join(" ")),
        "complain" => {
            let _ = std::io::stderr().write_all(format!("{}\n", args.join(" ")).as_bytes());
        }
        "cat" => {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::stdout());
            let _ = std::io::stdout().flush();
        }
        "read-line" => read_line(),
        "exit" => std::process::exit(attempt::parse(arg(0)) as i32),
        "kill-self" => {
            let _ = call(
                syscall::KILL,
                &[std::process::id() as usize, attempt::parse(arg(0))],
            );
        }
        "pause" => signals::pause(),
        "block-signals" => signals::block_all(),
        "await-signal" => {
            signals::block_all();
            print(&Json::Object(vec![("ready".to_string(), Json::Bool(true))]));
            print(&Json::Object(vec![(
                "signal".to_string(),
                Json::Int(signals::next(args) as i64),
            )]));
        }
        "prey" => print(&attack::prey(arg(0), arg(1))),
        "overwrite" => print(&attack::overwrite(arg(0))),
        "unseal" => print(&attack::unseal(arg(0), arg(1), arg(2))),
        "await-file" => await_file(arg(0)),
        "await-size" => await_size(arg(0), arg(1)),
        "background" => background(args),
        "spin" => loop {
            std::hint::spin_loop();
        },
        "hook" => {
            if let Err(error) = hook::record(arg(0), arg(1)) {
                eprintln!("hook {}: {error}", arg(0));
                std::process::exit(99);
            }
        }
        _ => match attempt::attempt(name, args) {
            Some(answer) => print(&answer),
            None => {
                eprintln!("payload: no command {name}");
                std::process::exit(98);
            }
        },
    }
}

fn print(value: &Json) {
    let mut text = String::new();
    value.write(&mut text);
    text.push('\n');
    say(&text);
}

/// One write, so that a reader sees whole lines.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

fn read_line() {
    let mut line = String::new();
    let mut byte = [0u8];
    while std::io::stdin().read(&mut byte).is_ok_and(|n| n == 1) && byte[0] != b'\n' {
        line.push(char::from(byte[0]));
    }
    print(&Json::Object(vec![("line".to_string(), Json::Text(line))]));
}

/// Polls until the file exists: the suite's way to hold the payload at a point.
fn await_file(path: &str) {
    while !std::path::Path::new(path).exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Polls until the terminal on standard input has that many rows and columns.
fn await_size(rows: &str, columns: &str) {
    let wanted = (attempt::parse(rows), attempt::parse(columns));
    while inspect::terminal_size(0) != Some(wanted) {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

/// Runs `/payload ARGS` and does not wait for it.
fn background(args: &[String]) {
    if let Err(error) = std::process::Command::new("/proc/self/exe")
        .args(args)
        .spawn()
    {
        eprintln!("payload: background: {error}");
        std::process::exit(97);
    }
}
