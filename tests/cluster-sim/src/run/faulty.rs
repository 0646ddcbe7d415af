//! Cores with one fault each, which [`super::mutations`] names.

use kerf_scheduler::Faults;

macro_rules! core_faults {
    ($($type:ident $fault:ident),* $(,)?) => {
        $(
            #[derive(Debug)]
            pub struct $type;
            impl Faults for $type {
                const $fault: bool = true;
            }
        )*
    };
}

core_faults! {
    Hasty SEND_BEFORE_PERSISTED,
    Forgetful IGNORE_HIGHEST_ATTEMPT,
    Unbarred SKIP_BARRIER,
    Holding NEVER_EXPIRE,
    Twice START_AGAIN,
    Unclosed SKIP_CLOSE,
    ConfirmUnsaved CONFIRM_UNSAVED,
    StartUnsaved START_UNSAVED,
    GoUnsaved GO_UNSAVED,
    DecideUnsaved DECIDE_UNSAVED,
    ForgetClosed FORGET_CLOSED,
    CountFromAnswer COUNT_FROM_ANSWER,
    NeverStopSilent NEVER_STOP_SILENT,
    ReleasedAtOnce RELEASED_AT_ONCE,
    CloseAtOnce CLOSE_AT_ONCE,
    ForgetMargin FORGET_MARGIN,
    SkipFind SKIP_FIND,
    NeverAsk NEVER_ASK,
    IgnoreTerm IGNORE_TERM,
    SpeakWithoutAuthority SPEAK_WITHOUT_AUTHORITY,
    SpareOwn SPARE_OWN,
    ResumeUnasked RESUME_UNASKED,
    StartUnconfirmed START_UNCONFIRMED,
    HeedAnybody HEED_ANYBODY,
    NeverTakeOver NEVER_TAKE_OVER,
}
