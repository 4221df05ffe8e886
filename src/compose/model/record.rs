//! One declaration per structure: its attributes, how they are read and how they are printed.

/// Declares a structure of the model whose fields are named as its attributes are in YAML, in Compose's order.
///
/// A field may carry how it is printed: `always` (never left out), `json` (never left out of JSON), `five` (by
/// Compose 5 only), `hidden` (neither read nor printed), and by which function it is read where its type alone does not say (`via`). A structure declared
/// `closed` has no room for `x-` attributes.
macro_rules! record {
    (closed $(#[$meta:meta])* $name:ident { $($fields:tt)* }) => {
        record! { @define [] $(#[$meta])* $name { $($fields)* } }
    };
    ($(#[$meta:meta])* $name:ident { $($fields:tt)* }) => {
        record! { @define [extensions] $(#[$meta])* $name { $($fields)* } }
    };
    (@define [$($extensions:ident)?] $(#[$meta:meta])* $name:ident {
        $( $(#[$doc:meta])* $field:ident : $type:ty $(= $mode:ident)? $(, via $read:path)? ; )*
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( $(#[$doc])* pub $field: $type, )*
            $(
                /// The `x-` attributes.
                pub $extensions: $crate::compose::model::Extensions,
            )?
        }

        impl $crate::compose::model::decode::Decode for $name {
            fn decode(
                node: &$crate::compose::node::Node,
                at: &$crate::compose::model::decode::At<'_>,
            ) -> $crate::compose::model::decode::Decoded<Self> {
                let fields = $crate::compose::model::decode::Fields::new(node, at)?;
                Ok(Self {
                    $( $field: record!(@read fields $field [$($mode)?] [$($read)?]), )*
                    $( $extensions: fields.extensions(), )?
                })
            }
        }

        impl $crate::compose::emit::Emit for $name {
            fn tree(&self, form: $crate::compose::emit::Form) -> $crate::compose::emit::Tree {
                let mut pairs = Vec::new();
                $( record!(@print self pairs form $field [$($mode)?]); )*
                $( $crate::compose::model::decode::push_extensions(&mut pairs, &self.$extensions, form); )?
                $crate::compose::emit::Tree::Map(pairs)
            }

            fn omit(&self, form: $crate::compose::emit::Form) -> bool {
                !form.is_json() && *self == Self::default()
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let form = $crate::compose::emit::Form::json($crate::compose::Generation::default());
                serde::Serialize::serialize(&$crate::compose::emit::Emit::tree(self, form), serializer)
            }
        }

        impl $name {
            /// The attributes that are read into this structure, in its order.
            pub const ATTRIBUTES: &'static [&'static str] = &[$( record!(@name $field [$($mode)?]) ),*];
        }
    };
    (@read $fields:ident $field:ident [hidden] []) => { Default::default() };
    (@read $fields:ident $field:ident [$($mode:ident)?] []) => { $fields.read(record!(@key $field))? };
    (@read $fields:ident $field:ident [$($mode:ident)?] [$read:path]) => {
        $fields.read_via(record!(@key $field), $read)?
    };
    (@print $self:ident $pairs:ident $form:ident $field:ident [hidden]) => {};
    (@print $self:ident $pairs:ident $form:ident $field:ident [always]) => {
        $pairs.push((record!(@key $field).to_owned(), $crate::compose::emit::Emit::tree(&$self.$field, $form)));
    };
    (@print $self:ident $pairs:ident $form:ident $field:ident [json]) => {
        if $form.is_json() || !$crate::compose::emit::Emit::omit(&$self.$field, $form) {
            record!(@print $self $pairs $form $field [always]);
        }
    };
    (@print $self:ident $pairs:ident $form:ident $field:ident [five]) => {
        if $form.generation == $crate::compose::Generation::Five {
            record!(@print $self $pairs $form $field []);
        }
    };
    (@print $self:ident $pairs:ident $form:ident $field:ident []) => {
        if !$crate::compose::emit::Emit::omit(&$self.$field, $form) {
            record!(@print $self $pairs $form $field [always]);
        }
    };
    (@name $field:ident [hidden]) => { "" };
    (@name $field:ident [$($mode:ident)?]) => { record!(@key $field) };
    (@key r#type) => { "type" };
    (@key $field:ident) => { stringify!($field) };
}

pub(crate) use record;
