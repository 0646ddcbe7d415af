//! The commands on standard input, a line each.
//!
//! | line | what |
//! |---|---|
//! | `way FROM TO` | the way from a port to another is perfect; `*` stands for all |
//! | `way FROM TO cut` | nothing comes through, nor does what is under way |
//! | `way FROM TO delay_ms=N jitter_ms=N loss_permille=N double_permille=N` | any of these, the others are 0 |
//! | `counts` | `ok passed=N lost=N cut=N doubled=N` |

use std::time::Duration;

use crate::fabric::{Conditions, Fabric};
use crate::port::Number;

/// Carries out a line, and says what to answer.
pub fn answer(fabric: &mut Fabric, line: &str) -> String {
    match carry_out(fabric, line) {
        Ok(said) => format!("ok{said}"),
        Err(why) => format!("no: {why}"),
    }
}

fn carry_out(fabric: &mut Fabric, line: &str) -> Result<String, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["counts"] => {
            let counts = fabric.counts();
            Ok(format!(
                " passed={} lost={} cut={} doubled={}",
                counts.passed, counts.lost, counts.cut, counts.doubled
            ))
        }
        ["way", from, to, rest @ ..] => {
            let (from, to) = (port(fabric, from)?, port(fabric, to)?);
            fabric.set(from, to, conditions(rest)?);
            Ok(String::new())
        }
        _ => Err(format!("{line:?} is no command")),
    }
}

/// A port by its number; `None` for all.
fn port(fabric: &Fabric, word: &str) -> Result<Option<Number>, String> {
    if word == "*" {
        return Ok(None);
    }
    let number = word.parse().ok().filter(|number| fabric.has(*number));
    number
        .map(Some)
        .ok_or_else(|| format!("there is no port {word:?}"))
}

fn conditions(words: &[&str]) -> Result<Conditions, String> {
    let mut conditions = Conditions::default();
    for word in words {
        if *word == "cut" {
            conditions.cut = true;
            continue;
        }
        let wrong = || format!("{word:?} is no condition");
        let (key, value) = word.split_once('=').ok_or_else(wrong)?;
        let value: u32 = value.parse().map_err(|_| wrong())?;
        let time = Duration::from_millis(value.into());
        match key {
            "delay_ms" => conditions.delay = time,
            "jitter_ms" => conditions.jitter = time,
            "loss_permille" => conditions.loss_permille = value,
            "double_permille" => conditions.double_permille = value,
            _ => return Err(wrong()),
        }
    }
    Ok(conditions)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{answer, conditions};
    use crate::fabric::{Conditions, Fabric};

    #[test]
    fn conditions_are_read_and_what_is_none_is_said() {
        let rough = conditions(&["delay_ms=100", "loss_permille=50"]);
        let expected = Conditions {
            delay: Duration::from_millis(100),
            loss_permille: 50,
            ..Conditions::default()
        };
        assert_eq!(rough, Ok(expected));
        assert!(conditions(&["cut"]).is_ok_and(|conditions| conditions.cut));
        for word in ["delay", "delay_ms=x", "speed=1"] {
            let why = format!("{word:?} is no condition");
            assert_eq!(conditions(&[word]), Err(why));
        }
    }

    #[test]
    fn lines_are_answered() {
        let mut fabric = Fabric::new(vec![1, 2], 1);
        assert_eq!(answer(&mut fabric, "way 1 * cut"), "ok");
        fabric.take(Duration::ZERO, 1, &[0xff; 60]);
        let counts = "ok passed=0 lost=0 cut=1 doubled=0";
        assert_eq!(answer(&mut fabric, "counts"), counts);
        assert_eq!(answer(&mut fabric, "way 3 1"), "no: there is no port \"3\"");
        assert_eq!(answer(&mut fabric, "help"), "no: \"help\" is no command");
    }
}
