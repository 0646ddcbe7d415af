//! How the tables of a configuration file are declared, and how two of them become one.

/// Declares a table of optional keys together with its merge: a key that is given replaces the earlier one.
macro_rules! table {
    ($(#[$doc:meta])* $name:ident { $($(#[$key_doc:meta])* $key:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$key_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)*
        }

        impl $name {
            pub(in crate::config) fn merge(&mut self, later: Self) {
                $(if later.$key.is_some() { self.$key = later.$key; })*
            }
        }
    };
}

pub(super) use table;
