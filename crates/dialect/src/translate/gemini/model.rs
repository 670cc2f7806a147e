//! What the name of a model tells.

/// A model of Gemini's, by its name.
#[derive(Debug)]
pub(super) struct Model {
    /// Without what stands before it in names of other places (`models/`, `publishers/google/models/`).
    name: String,
    /// `None`: the name has no number, as `gemini-flash-latest`. Such a model counts as the newest.
    version: Option<(u32, u32)>,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// Not at all.
    Fixed,
    /// By a number of tokens.
    Budget { least: u64, most: u64, has_off: bool },
    /// By a word, all but `LOW` and `HIGH` of which only some models know.
    Level { has_minimal: bool, has_medium: bool },
}

impl Model {
    pub(super) fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let version = name.strip_prefix("gemini-").and_then(version);
        Self { name, version }
    }

    /// Whether it is of the generation that names its calls and checks their signatures.
    pub(super) fn checks_calls(&self) -> bool {
        self.is_from((3, 0))
    }

    /// Whether it takes a form of the answer along with tools. Earlier ones answer 400, as many have told, for one in
    /// <https://github.com/googleapis/python-genai/issues/867>.
    pub(super) fn takes_form_with_tools(&self) -> bool {
        self.is_from((3, 0))
    }

    pub(super) fn thinking(&self) -> Thinking {
        let has = |word: &str| self.name.contains(word);
        // Models of pictures and of speech have budgets or words of their own, or none.
        if !self.is_from((2, 5)) || has("-image") || has("-tts") {
            return Thinking::Fixed;
        }
        if self.is_from((3, 0)) {
            // The fewest words are what models take that nobody here has heard of.
            let is_flash_with_minimal =
                has("flash") && self.version.is_some_and(|version| ((3, 0)..=(3, 6)).contains(&version));
            let is_first_pro = has("pro") && self.version == Some((3, 0));
            return Thinking::Level { has_minimal: is_flash_with_minimal, has_medium: !is_first_pro };
        }
        match () {
            () if has("pro") => Thinking::Budget { least: 128, most: 32_768, has_off: false },
            () if has("lite") => Thinking::Budget { least: 512, most: 24_576, has_off: true },
            () => Thinking::Budget { least: 1, most: 24_576, has_off: true },
        }
    }

    fn is_from(&self, version: (u32, u32)) -> bool {
        self.version.is_none_or(|own| own >= version)
    }
}

/// The number that a name begins with, as in `2.5-flash`, `3-pro-preview`.
fn version(name: &str) -> Option<(u32, u32)> {
    let mut parts = name.split('-').next()?.splitn(2, '.');
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().map_or(Some(0), |minor| minor.parse().ok())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinking(name: &str) -> Thinking {
        Model::of(name).thinking()
    }

    #[test]
    fn each_generation_is_told_in_its_own_way_how_much_to_think() {
        for name in
            ["gemini-1.5-pro-002", "models/gemini-2.0-flash", "gemini-2.5-flash-image", "gemini-3-pro-image"]
        {
            assert_eq!(thinking(name), Thinking::Fixed, "{name}");
        }
        assert_eq!(thinking("gemini-2.5-pro"), Thinking::Budget { least: 128, most: 32_768, has_off: false });
        assert_eq!(
            thinking("publishers/google/models/Gemini-2.5-Flash"),
            Thinking::Budget { least: 1, most: 24_576, has_off: true }
        );
        assert_eq!(
            thinking("gemini-2.5-flash-lite"),
            Thinking::Budget { least: 512, most: 24_576, has_off: true }
        );
        for (name, has_minimal, has_medium) in [
            ("gemini-3-pro-preview", false, false),
            ("gemini-3.1-pro-preview", false, true),
            ("gemini-3-flash-preview", true, true),
            ("gemini-3.5-flash-lite", true, true),
            ("gemini-3.8-flash", false, true),
            ("gemini-flash-latest", false, true),
            ("my-tuned-model", false, true),
            ("", false, true),
        ] {
            assert_eq!(thinking(name), Thinking::Level { has_minimal, has_medium }, "{name}");
        }
    }

    #[test]
    fn calls_are_checked_from_the_third_generation_on() {
        for (name, checks) in [
            ("gemini-1.5-flash", false),
            ("gemini-2.5-pro", false),
            ("gemini-3-pro-preview", true),
            ("gemini-10-flash", true),
            ("gemini-pro-latest", true),
        ] {
            assert_eq!(Model::of(name).checks_calls(), checks, "{name}");
        }
    }
}
