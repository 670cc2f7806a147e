//! The forms of texts, for the document of the admin API.

use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// A name that the admin API gives. It stands in paths and in the names of counters, whose parts it must not look like.
#[derive(Debug)]
pub struct Name;

/// A tag, or the name of an end user.
#[derive(Debug)]
pub struct Text;

/// The time over which a limit counts.
#[derive(Debug)]
pub struct WindowText;

/// A network, or one address.
#[derive(Debug)]
pub struct NetworkText;

/// A moment.
#[derive(Debug)]
pub struct Time;

/// A share in per cent.
#[derive(Debug)]
pub struct Percent;

macro_rules! text {
    ($form:ident, $description:expr, $build:expr) => {
        impl PartialSchema for $form {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
                let build: fn(ObjectBuilder) -> ObjectBuilder = $build;
                build(text.description(Some($description))).into()
            }
        }

        impl ToSchema for $form {}
    };
}

text!(Name, "A name: begins with a letter or a digit.", |text| {
    text.pattern(Some("^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$"))
});
text!(Text, "Printable characters other than \" ' \\ , ; * + % and spaces.", |text| {
    text.pattern(Some(r"^[!#$&()./0-9:<=>?@A-Z\[\]^_`a-z{|}~-]{1,256}$"))
});
text!(
    WindowText,
    "A unit of the calendar, in UTC or in a zone (\"day Europe/Berlin\"); \"sliding 1h\"; or a token bucket, \"bucket 1m\".",
    |text| {
        text
        .pattern(Some(
            "^((minute|hour|day|week|month|quarter|year|total)( [A-Za-z0-9_+/-]+)?|(sliding|bucket) [0-9]+(ms|s|m|h|d))$",
        ))
        .default(Some("month".into()))
        .examples(["month", "day Europe/Berlin", "sliding 1h", "bucket 1m"])
    }
);
text!(NetworkText, "An address, or a network in CIDR form.", |text| {
    text.examples(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])
});
text!(Time, "A moment, as RFC 3339 writes it.", |text| {
    text.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
});

impl PartialSchema for Percent {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer));
        number.minimum(Some(1)).maximum(Some(100)).into()
    }
}

impl ToSchema for Percent {}
