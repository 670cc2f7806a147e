//! Why something was not done: one shape for whoever asked, wherever the reason was found.

use super::log::Kind;

/// What sort of reason it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The request cannot be understood.
    Malformed,
    /// Nobody says who asks, or it is nobody who is known.
    Unauthenticated,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The method is not for this path.
    Method,
    /// It contradicts what there is.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is not of a type that is read here.
    MediaType,
    /// It is understood, and makes no sense.
    Invalid,
    /// It cannot be done at the moment.
    Unavailable,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The sort of reason.
    pub reason: Reason,
    /// A stable word for programs.
    pub code: &'static str,
    /// The field or the parameter, if one is to blame: `limits[0].window`.
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// A refusal that no field is to blame for.
    pub fn new(reason: Reason, code: &'static str, message: impl Into<String>) -> Self {
        Self { reason, code, field: None, message: message.into() }
    }

    /// The same, with the field to blame.
    #[must_use]
    pub fn of_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// A value that makes no sense.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, "invalid_value", message).of_field(field)
    }

    /// A name that refers to nothing.
    pub fn unknown(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Reason::Invalid, "unknown_reference", message).of_field(field)
    }

    /// There is no such thing, or it is not for whoever asks to know.
    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(Reason::NotFound, "not_found", format!("there is no {kind} \"{name}\""))
    }

    /// Whoever asks may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Reason::Forbidden, "forbidden", message)
    }

    /// The name is taken.
    pub fn exists(kind: Kind, name: &str) -> Self {
        Self::new(Reason::Conflict, "already_exists", format!("the {kind} \"{name}\" exists already"))
            .of_field("name")
    }

    /// The name is taken, and whoever asks is not to know by what.
    pub fn unavailable_name() -> Self {
        let message = "the name cannot be used: choose another";
        Self::new(Reason::Conflict, "name_unavailable", message).of_field("name")
    }

    pub(super) fn read_only(kind: Kind, name: &str) -> Self {
        let message = format!("the {kind} \"{name}\" is in weirgate.yaml and can only be changed there");
        Self::new(Reason::Conflict, "read_only", message)
    }

    /// It cannot be deleted, since something refers to it.
    pub fn in_use(kind: Kind, name: &str, referrer: &str) -> Self {
        let message = format!("the {kind} \"{name}\" cannot be deleted: {referrer} refers to it");
        Self::new(Reason::Conflict, "in_use", message)
    }

    pub(super) fn busy() -> Self {
        Self::new(Reason::Unavailable, "busy", "others change too much at the moment; try again")
    }

    pub(super) fn unavailable() -> Self {
        Self::new(
            Reason::Unavailable,
            "log_unavailable",
            "the audit log cannot be written; nothing was changed",
        )
    }
}
