//! One call in, one answer out.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use kerf_api::partitioner::v1 as wire;
use kerf_api::partitioner::v1::failure::Code;
use kerf_api::partitioner::v1::process_answer::Answer;
use kerf_api::partitioner::v1::process_call::Call;
use kerf_api::partitioner::v1::request;
use kerf_api::partitioner::v1::response::Outcome;

use super::super::attach::{self, AttachError};
use super::super::check::{self, CheckError};
use super::super::confine::{self, ConfineError};
use super::super::guard::{self, GuardError};
use super::super::holders::{Seen, Wanted};
use super::super::wire::{self as words, WireError};
use super::super::{carriers, job, working_folder};
use super::{Site, may_look};
use crate::in_words;

/// Why a call was not carried out.
enum Refused {
    /// It may not be, or says what cannot be.
    Call(String),
    /// It failed.
    Act(Box<wire::ActFailure>),
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Self {
        Self::Call(in_words(&error))
    }
}

impl From<CheckError> for Refused {
    fn from(error: CheckError) -> Self {
        Self::Call(in_words(&error))
    }
}

impl From<AttachError> for Refused {
    fn from(error: AttachError) -> Self {
        Self::Act(Box::new(words::attach_failure(&error)))
    }
}

impl From<ConfineError> for Refused {
    fn from(error: ConfineError) -> Self {
        Self::Act(Box::new(words::confine_failure(&error)))
    }
}

impl From<GuardError> for Refused {
    fn from(error: GuardError) -> Self {
        Self::Act(Box::new(words::guard_failure(&error)))
    }
}

/// Answers one request.
pub fn answer(site: &Site, request: wire::Request) -> wire::Response {
    let outcome = match request.call {
        Some(request::Call::Identify(_)) => Outcome::Identity(wire::Identity {
            pid: std::process::id(),
            library: None,
            sysroot: site.sysroot.as_os_str().as_bytes().to_vec(),
        }),
        Some(request::Call::Process(call)) => of_process(site, *call),
        _ => refusal("this worker is for processes, and has no hardware".to_owned()),
    };
    wire::Response {
        id: request.id,
        outcome: Some(outcome),
    }
}

fn of_process(site: &Site, call: wire::ProcessCall) -> Outcome {
    let Some(call) = call.call else {
        return refusal("the call is of no known kind".to_owned());
    };
    let answer = match carry_out(site, call) {
        Ok(answer) => answer,
        Err(Refused::Act(failure)) => Answer::Failure(*failure),
        Err(Refused::Call(why)) => return refusal(why),
    };
    Outcome::Process(Box::new(wire::ProcessAnswer {
        answer: Some(answer),
    }))
}

fn refusal(message: String) -> Outcome {
    tracing::warn!(error = message, "call refused");
    Outcome::Failure(wire::Failure {
        code: Code::Invalid.into(),
        message,
        nvml_code: None,
    })
}

fn carry_out(site: &Site, call: Call) -> Result<Answer, Refused> {
    Ok(match call {
        Call::PlanAttachment(ask) => plan(site, ask)?,
        Call::Attach(ask) => put_in(site, ask)?,
        Call::RestoreRules(ask) => restore(site, ask)?,
        Call::TakeOut(ask) => take_out(ask)?,
        Call::Confine(ask) => fence_in(&ask.lease, ask.process, ask.nodes)?,
        Call::RemoveConfinement(ask) => {
            let (cgroup, lease) = (words::cgroup(ask.cgroup)?, words::lease(&ask.lease)?);
            check::any(&cgroup)?;
            confine::remove_own(&cgroup, lease);
            done()
        }
        Call::RemoveJobCgroups(ask) => {
            let container = words::container_ref(&ask.namespace, &ask.id)?;
            stays(&job::remove(&container))
        }
        Call::StandGuard(ask) => stand_guard(site, ask)?,
        Call::LookForHolders(ask) => look_for_holders(site, ask)?,
        Call::LookWithin(ask) => {
            refuse_blind()?;
            let names = ask.names.iter().map(String::as_str);
            let wanted = Wanted::nodes(&site.sysroot, names);
            let holders = wanted.seen_within(&ask.pids.into_iter().collect());
            let seen = Seen {
                holders,
                unread: Vec::new(),
            };
            Answer::Holders(words::holders(&seen))
        }
        Call::LookForCarriers(ask) => {
            let wanted = words::wanted(ask)?;
            // Who may not look must not say that there is nobody.
            let found = may_look().then(|| carriers::of(wanted)).flatten();
            Answer::Carriers(words::carriers_found(found.as_deref()))
        }
        Call::LookForFolder(ask) => {
            let path = working_folder(&words::process(ask.process)?);
            let path = path.map(|path| words::bytes(&path));
            Answer::Folder(wire::WorkingFolder { path })
        }
    })
}

fn done() -> Answer {
    Answer::Done(wire::ProcessDone {})
}

fn stays(paths: &[PathBuf]) -> Answer {
    let paths = words::all_bytes(paths);
    Answer::Stays(wire::Stays { paths })
}

fn plan(site: &Site, ask: wire::PlanAttachment) -> Result<Answer, Refused> {
    let (target, nodes) = (words::target(ask.target)?, words::nodes(ask.nodes)?);
    check::target(&target)?;
    check::devices(&site.sysroot, nodes.iter().map(|node| node.numbers))?;
    let plan = attach::plan(&target, &nodes, &words::all_numbers(&ask.others))?;
    Ok(Answer::Planned(wire::PlannedAttachment {
        made: words::all_bytes(&plan.made),
        allowed: words::devices(&plan.allowed),
    }))
}

fn put_in(site: &Site, ask: wire::Attach) -> Result<Answer, Refused> {
    let (target, nodes) = (words::target(ask.target)?, words::nodes(ask.nodes)?);
    let made = words::paths(ask.made);
    check::target(&target)?;
    check::devices(&site.sysroot, nodes.iter().map(|node| node.numbers))?;
    check::made(&made, &nodes)?;
    attach::carry_out(&target, &nodes, &words::all_numbers(&ask.others), &made)?;
    Ok(done())
}

fn restore(site: &Site, ask: wire::RestoreRules) -> Result<Answer, Refused> {
    let (cgroup, nodes) = (words::cgroup(ask.cgroup)?, words::nodes(ask.nodes)?);
    check::listed(&cgroup)?;
    check::devices(&site.sysroot, nodes.iter().map(|node| node.numbers))?;
    let missing = attach::restore(&cgroup, &nodes, words::all_numbers(&ask.given))?;
    let missing = u64::try_from(missing).unwrap_or(u64::MAX);
    Ok(Answer::Restored(wire::RestoredRules { missing }))
}

/// What is denied need not be a device any more: a driver that was unloaded has no name for its numbers.
fn take_out(ask: wire::TakeOut) -> Result<Answer, Refused> {
    let (cgroup, init, off) = words::off(ask)?;
    check::listed(&cgroup)?;
    let left = attach::undo(&cgroup, &init, &off)?;
    Ok(stays(&left))
}

/// Nothing may be allowed that was not before: the kernel sees to that, below the cgroup that the process is in.
fn fence_in(
    lease: &str,
    process: Option<wire::ProcessName>,
    nodes: Vec<wire::ContainerNode>,
) -> Result<Answer, Refused> {
    let (lease, process) = (words::lease(lease)?, words::process(process)?);
    let confined = confine::make(&process, lease, &words::grants(nodes)?)?;
    if let Err(error) = confined.take_in(&process) {
        confined.remove();
        return Err(error.into());
    }
    Ok(Answer::Confinement(words::confinement(&confined)))
}

fn stand_guard(site: &Site, ask: wire::StandGuard) -> Result<Answer, Refused> {
    let (file, folders) = (words::path(ask.file), words::paths(ask.folders));
    check::absolute(&file)?;
    check::jobs(&folders)?;
    let Some(program) = &site.runtime else {
        return Err(Refused::Call("no program for guards is named".to_owned()));
    };
    let said = guard::stand(program, &file, &folders)?;
    Ok(Answer::Guard(wire::GuardSaid {
        success: said.success,
        out: said.out,
        err: said.err,
    }))
}

/// A look that sees nobody would be taken for nobody being there.
fn refuse_blind() -> Result<(), Refused> {
    match may_look() {
        true => Ok(()),
        false => Err(Refused::Call(
            "without CAP_SYS_PTRACE it cannot tell who has a device open".to_owned(),
        )),
    }
}

/// Of a whole driver those are told as well who could not be looked into.
fn look_for_holders(site: &Site, ask: wire::LookForHolders) -> Result<Answer, Refused> {
    use wire::look_for_holders::What;
    let wanted = match words::present("what is looked for", ask.what)? {
        What::Nodes(nodes) => {
            refuse_blind()?;
            Wanted::nodes(&site.sysroot, nodes.names.iter().map(String::as_str))
        }
        What::Driver(driver) => {
            let library = driver.library.map(words::path);
            Wanted::under(&site.sysroot, library.as_deref())
        }
    };
    Ok(Answer::Holders(words::holders(&wanted.seen())))
}
