//! What a pod asks for one of its containers. Pure.
//!
//! Only the pod's own annotations count: they are its author's, and admission policies of the cluster see them. What a
//! container is annotated with, or has in its environment, can come from its image.

use kerf_nri::Pod;
use kerf_runtime::spec::{ASK_ACCELERATOR, ASK_LEASE};

use crate::host::{HostError, PodAsk};

/// The value by which one container is left out of what its pod asks for.
const NOTHING: &str = "none";

/// The ask for the container of this name: `kerf.dev/accelerator.<name>` and `kerf.dev/lease.<name>` where the pod has
/// one of them, else `kerf.dev/accelerator` and `kerf.dev/lease`, which are for each of its containers.
pub(super) fn of(pod: &Pod, name: &str, id: &str) -> Result<Option<PodAsk>, HostError> {
    let own = |key: &str| pod.annotations.get(&format!("{key}.{name}"));
    let (mut ask, mut lease) = (own(ASK_ACCELERATOR), own(ASK_LEASE));
    if ask.is_none() && lease.is_none() {
        ask = pod.annotations.get(ASK_ACCELERATOR);
        lease = pod.annotations.get(ASK_LEASE);
    }
    match (ask, lease) {
        (Some(ask), Some(lease)) => Err(HostError::TwoAsks {
            container: format!("{id} ({name})"),
            first: ask.clone(),
            second: lease.clone(),
        }),
        (Some(ask), None) if ask == NOTHING => Ok(None),
        (Some(ask), None) => Ok(Some(PodAsk::Accelerator(ask.clone()))),
        (None, Some(lease)) => Ok(Some(PodAsk::Lease(lease.clone()))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(annotations: &[(&str, &str)]) -> String {
        let annotations = annotations.iter();
        let pod = Pod {
            annotations: annotations
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Pod::default()
        };
        match of(&pod, "main", "c1") {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(PodAsk::Accelerator(ask))) => format!("accelerator {ask}"),
            Ok(Some(PodAsk::Lease(lease))) => format!("lease {lease}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_containers_own_ask_counts_before_the_pods() {
        for (annotations, expected) in [
            (&[][..], "nothing"),
            (&[("kerf.dev/accelerator", "gpu")], "accelerator gpu"),
            (&[("kerf.dev/accelerator.other", "gpu")], "nothing"),
            (&[("kerf.dev/accelerator.main", "gpu")], "accelerator gpu"),
            (&[("kerf.dev/lease", "x")], "lease x"),
            (
                &[
                    ("kerf.dev/accelerator", "gpu"),
                    ("kerf.dev/lease.main", "x"),
                ],
                "lease x",
            ),
            (
                &[
                    ("kerf.dev/accelerator", "gpu"),
                    ("kerf.dev/accelerator.main", "none"),
                ],
                "nothing",
            ),
            (
                &[("kerf.dev/accelerator", "gpu"), ("kerf.dev/lease", "x")],
                "container c1 (main) asks for two things at once: gpu and x",
            ),
            (&[("kerf.dev/accelerator", "")], "accelerator "),
        ] {
            assert_eq!(asked(annotations), expected, "{annotations:?}");
        }
    }
}
