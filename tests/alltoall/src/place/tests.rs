//! What kerf tells is read, and what does not hold together is refused.

use super::Place;

const TOLD: [(&str, &str); 7] = [
    ("RANK", "2"),
    ("WORLD_SIZE", "3"),
    ("LOCAL_RANK", "1"),
    ("LOCAL_WORLD_SIZE", "2"),
    ("MASTER_ADDR", "10.0.0.1"),
    ("MASTER_PORT", "20007"),
    ("KERF_MEMBERS", "10.0.0.1,10.0.0.2,10.0.0.2"),
];

fn read(name: &str, value: &str) -> Result<Place, String> {
    Place::from_environment(|asked| {
        let told = TOLD.into_iter().find(|(known, _)| *known == asked);
        let told = told.map(|(_, told)| told.to_owned());
        if asked == name {
            Some(value.to_owned())
        } else {
            told
        }
    })
}

#[test]
fn what_holds_together_is_read() {
    let place = read("", "").expect("a place");
    assert_eq!((place.rank, place.address.as_str()), (2, "10.0.0.2"));
    assert_eq!(place.master, ("10.0.0.1".to_owned(), 20_007));
}

#[test]
fn what_does_not_is_refused() {
    for (name, value) in [
        ("RANK", "3"),
        ("RANK", "x"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_RANK", "0"),
        ("LOCAL_WORLD_SIZE", "1"),
        ("MASTER_ADDR", "10.0.0.2"),
        ("MASTER_PORT", "70000"),
        ("KERF_MEMBERS", "10.0.0.2,10.0.0.1,10.0.0.2"),
    ] {
        read(name, value).expect_err(name);
    }
    let nothing = Place::from_environment(|_| None);
    assert_eq!(nothing, Err("KERF_MEMBERS is not set".to_owned()));
}
