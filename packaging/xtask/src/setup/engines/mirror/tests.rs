//! What apt prints and what its files hold, in both of their forms.

use super::{Mirror, chosen, signed_by};

const URI: &str = "http://mirror.example/debian/";

#[test]
fn the_mirror_of_main_packages_is_chosen() {
    let targets = "Vendor|main|nodistro|https://vendor.example/|/etc/apt/vendor.sources:1\n\
         Debian|main|trixie-security|http://security.example/|/etc/apt/s.sources:1\n\
         Debian|contrib|trixie|http://other.example/|/etc/apt/c.sources:1\n\
         Debian|main|trixie|http://mirror.example/debian/|/etc/apt/debian.sources:1\n";
    assert_eq!(chosen(targets), Some((URI, "/etc/apt/debian.sources")));
    // Without lists apt knows no origin.
    assert_eq!(chosen(""), None);
}

#[test]
fn the_key_is_that_of_the_mirror() {
    let paragraphs = "Types: deb\n# a snapshot\nURIs: http://vendor.example\nSigned-By: /keys/vendor.gpg\n\n\
         Types: deb\nURIs: http://a.example http://mirror.example/debian\n# which\nsigned-by: /keys/debian.gpg\n";
    assert_eq!(
        signed_by(paragraphs, URI).as_deref(),
        Some("/keys/debian.gpg")
    );
    let inline =
        "URIs: http://mirror.example/debian\nSigned-By:\n -----BEGIN\n .\n abc\nTypes: deb\n";
    assert_eq!(
        signed_by(inline, URI).as_deref(),
        Some("\n -----BEGIN\n .\n abc")
    );
    let line =
        "deb [arch=amd64 signed-by=/keys/one.gpg] http://mirror.example/debian trixie main\n";
    assert_eq!(signed_by(line, URI).as_deref(), Some("/keys/one.gpg"));
    let plain = "# deb x\ndeb http://mirror.example/debian trixie main\n";
    assert_eq!(signed_by(plain, URI), None);
}

#[test]
fn a_source_names_one_suite() {
    let mut mirror = Mirror {
        uri: URI.to_owned(),
        signed_by: None,
    };
    let text = "Types: deb\nURIs: http://mirror.example/debian/\nSuites: sid\nComponents: main\n";
    assert_eq!(mirror.sources("sid"), text);
    mirror.signed_by = Some("/keys/debian.gpg".to_owned());
    assert_eq!(
        mirror.sources("sid"),
        format!("{text}Signed-By: /keys/debian.gpg\n")
    );
}
