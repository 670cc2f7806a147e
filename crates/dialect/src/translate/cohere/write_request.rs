//! The body of a request to the provider.

mod messages;
mod settings;
mod tools;

#[cfg(test)]
mod tests;

use crate::translate::fields::Fields;
use crate::translate::neutral::Request;
use crate::translate::{self, Error, Options, Remarks};

/// Writes the body of `POST /v2/chat`.
///
/// # Errors
/// The request names no model, forces a choice among no tools, or asks for what cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, mut rest } =
        request;
    let model = options.model(model)?;
    let thinks = super::thinks(&model.decode());
    let mut remarks = Remarks::new(options.unsupported);
    let mut body = Fields::default();
    body.text("model", &model);
    if stream {
        body.json("stream", "true");
    }
    messages::write(turns, thinks, &mut remarks, &mut body)?;
    let has_tools = tools::write(tools, choice, parallel_calls, &mut remarks, &mut body)?;
    let Remarks { mut report, .. } = remarks;
    settings::write(settings, thinks, has_tools, &mut report, &mut body)?;
    // Those would say anew or otherwise what is written.
    for name in body.names.iter().copied().chain(["stream"]) {
        if rest.take(name).is_some() {
            report.left_out(name);
        }
    }
    rest.write_rest(&mut body.out);
    body.out.push(b'}');
    Ok(translate::Request { body: body.out, dropped: report.into_dropped(), stream, include_usage })
}
