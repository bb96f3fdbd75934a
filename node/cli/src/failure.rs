// SPDX-License-Identifier: Apache-2.0

//! How the program ends when something goes wrong: exit codes, and errors with what to do about them.

use cairn_client::{Error as ClientError, ErrorKind};

/// Results throughout the program.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// The program's exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line, the configuration or an input file is wrong.
    Usage = 2,
    /// The chain refuses, or would refuse.
    Refused = 3,
    /// No node could be reached.
    Unreachable = 4,
    /// Done, but for what couldn't be read or stored: that was left out, and is named.
    Partly = 5,
}

impl Exit {
    fn name(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::Refused => "refused",
            Exit::Unreachable => "unreachable",
            Exit::Partly => "partly",
        }
    }
}

/// An error of this program's own making.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    message: String,
    remedy: Option<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The user's input is wrong.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::Usage, message: message.into(), remedy: None }.into()
}

/// The user's input is wrong, and this is what to do instead.
pub fn usage_with_remedy(message: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::Usage, message: message.into(), remedy: Some(remedy.into()) }.into()
}

/// It didn't work, and this is what to do about it.
pub fn failed(message: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::Failed, message: message.into(), remedy: Some(remedy.into()) }.into()
}

/// The chain would refuse this.
pub fn refused(code: &str, reason: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    ClientError::from(cairn_client::Refusal::foreseen(code, reason, remedy)).into()
}

/// Whether an error has this short name.
pub fn has_code(error: &anyhow::Error, code: &str) -> bool {
    Shown::new(error).code == code
}

/// Whether an error's short name begins like this: `Marketplace::` is what that contract refuses.
pub fn is_of(error: &anyhow::Error, prefix: &str) -> bool {
    Shown::new(error).code.starts_with(prefix)
}

/// An error with its causes, from the outermost to the innermost; those that one before has told already are left out.
fn chain_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// An error as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// How the program ends.
    pub exit: Exit,
    /// Short stable name.
    pub code: String,
    /// Everything that is known, from the outermost cause to the innermost.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Shown {
    /// What an error amounts to.
    pub fn new(error: &anyhow::Error) -> Self {
        let message = chain_text(error);
        for cause in error.chain() {
            if let Some(failure) = cause.downcast_ref::<Failure>() {
                let code = failure.exit.name().into();
                return Self { exit: failure.exit, code, message, remedy: failure.remedy.clone() };
            }
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                let remedy = error.remedy().map(Into::into);
                return Self { exit: exit_for(error), code: error.code().into(), message, remedy };
            }
        }
        Self { exit: Exit::Failed, code: Exit::Failed.name().into(), message, remedy: None }
    }

    /// For people.
    pub fn text(&self) -> String {
        match &self.remedy {
            Some(remedy) => format!("error: {}\n  what to do: {remedy}", self.message),
            None => format!("error: {}", self.message),
        }
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": {
                "kind": self.exit.name(),
                "code": self.code,
                "message": self.message,
                "remedy": self.remedy,
                "exit_code": self.exit as u8,
            }
        })
    }
}

fn exit_for(error: &ClientError) -> Exit {
    match error.kind() {
        ErrorKind::Unreachable => Exit::Unreachable,
        ErrorKind::Refused => Exit::Refused,
        ErrorKind::Invalid => Exit::Usage,
        _ => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use cairn_client::Unreachable;

    use super::*;

    #[test]
    fn every_kind_of_error_has_its_exit_code() {
        let unreachable = ClientError::Unreachable(Unreachable::default());
        for (error, exit) in [
            (usage("x"), 2),
            (usage_with_remedy("x", "y"), 2),
            (failed("x", "y"), 1),
            (refused("A::B", "x", "y"), 3),
            (unreachable.into(), 4),
            (ClientError::Incompatible("x".into()).into(), 1),
            (cairn_client::check_url("http://x").expect_err("wrong scheme").into(), 2),
            (anyhow::anyhow!("anything"), 1),
            (std::io::Error::other("disk").into(), 1),
        ] {
            assert_eq!(Shown::new(&error).exit as u8, exit, "{error}");
            let wrapped = Err::<(), _>(error).context("while doing something").expect_err("still an error");
            let shown = Shown::new(&wrapped);
            assert_eq!(shown.exit as u8, exit, "context must not change the exit code");
            assert!(shown.message.starts_with("while doing something: "));
        }
    }

    #[test]
    fn an_undecided_transaction_is_a_failure_that_names_it() {
        let cause = Box::new(ClientError::Unreachable(Unreachable::default()));
        let hash = cairn_client::Hash::repeat_byte(0xab);
        let error = anyhow::Error::from(ClientError::Undecided { hash, last_block: 77, cause });
        let shown = Shown::new(&error);
        assert_eq!((shown.exit, shown.code.as_str()), (Exit::Failed, "Undecided"));
        assert!(has_code(&error, "Undecided"));
        let text = shown.text();
        assert!(text.contains(&"ab".repeat(32)) && text.contains("up to block 77"), "{text}");
        assert!(text.contains("before sending again"), "{text}");
    }

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let disk = std::io::Error::other("the disk is full");
        let error = anyhow::Error::from(disk).context("notes.txt: the disk is full").context("it can't be got");
        assert_eq!(Shown::new(&error).message, "it can't be got: notes.txt: the disk is full");
    }

    #[test]
    fn refusals_show_code_and_remedy() {
        let shown = Shown::new(&refused("Staking::InsufficientBond", "too little", "bond more"));
        assert_eq!(shown.text(), "error: Staking::InsufficientBond: too little\n  what to do: bond more");
        assert_eq!(shown.json()["error"]["code"], "Staking::InsufficientBond");
        assert_eq!(shown.json()["error"]["exit_code"], 3);
    }
}
