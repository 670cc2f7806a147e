//! Formats of files, and the media types that other dialects have for them.

/// Formats of pictures.
const IMAGES: [(&str, &str); 5] = [
    ("png", "image/png"),
    ("jpeg", "image/jpeg"),
    ("jpeg", "image/jpg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

/// Formats of documents.
const DOCUMENTS: [(&str, &str); 9] = [
    ("pdf", "application/pdf"),
    ("csv", "text/csv"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("html", "text/html"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
];

/// Documents that are text.
const TEXTS: [&str; 4] = ["csv", "html", "txt", "md"];

/// The format of a picture of this media type.
pub(super) fn image_format(media_type: &str) -> Option<&'static str> {
    IMAGES.iter().find(|(_, kind)| *kind == media_type).map(|(format, _)| *format)
}

/// The format of a document of this media type.
pub(super) fn document_format(media_type: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(_, kind)| *kind == media_type).map(|(format, _)| *format)
}

/// The media type of a document of this format.
pub(super) fn document_type(format: &str) -> Option<&'static str> {
    DOCUMENTS.iter().find(|(name, _)| *name == format).map(|(_, kind)| *kind)
}

/// Whether documents of this format are text.
pub(super) fn is_text(format: &str) -> bool {
    TEXTS.contains(&format)
}
