//! From the moment at which a member is to end to the one at which it is killed, and back.

use std::time::Duration;

use kerf_scheduler::Settings;
use kerf_types::Moment;

use super::Post;

fn post(grace: u64) -> Post {
    Post {
        container: "kerf-1-0".to_owned(),
        folders: Vec::new(),
        grace: Duration::from_secs(grace),
    }
}

#[test]
fn kerfd_comes_before_the_fence_and_the_fence_before_the_submitting_host() {
    let settings = Settings::default();
    for grace in [0, 30, 3_600] {
        let (post, until) = (post(grace), Moment(70_000));
        let killed = Moment(post.deadline_ms(until));
        let by_kerfd = until.after(post.grace);
        let elsewhere = by_kerfd.after(settings.stop_margin);
        assert!(by_kerfd < killed && killed < elsewhere, "{grace}");
        assert_eq!(post.until_of(killed.0), until);
    }
    assert_eq!(post(30).until_of(5), Moment(0), "long passed");
}
