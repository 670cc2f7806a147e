//! The prices that are in force.

use super::Price;
use super::table::Table;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What is done about models whose price is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnknownPrice {
    /// Whoever has a limit on money is refused; for others they cost nothing.
    #[default]
    Refuse,
    /// They cost nothing.
    Zero,
    /// They cost this.
    Default(Arc<Price>),
}

/// What is known of a model's price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its price.
    Known(Arc<Price>),
    /// The price of models whose own is not known.
    Default(Arc<Price>),
    /// None, and it counts as free.
    Zero,
    /// None, and whoever has a limit on money is to be refused.
    Unknown,
}

impl Found {
    /// The price to charge, if there is one. Without one a request costs nothing.
    pub fn price(&self) -> Option<&Price> {
        match self {
            Self::Known(price) | Self::Default(price) => Some(price),
            Self::Zero | Self::Unknown => None,
        }
    }
}

/// Where a price is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `prices` of the configuration file.
    Configuration,
    /// The price file.
    File,
    /// The table that comes with Weirgate.
    BuiltIn,
}

impl Source {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::File => "price file",
            Self::BuiltIn => "built in",
        }
    }
}

type Models = HashMap<String, Arc<Price>>;

/// Prices of all models that are known. Copies share the price file: what one reads again, all see.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    own: Models,
    unknown: UnknownPrice,
    file: Option<Arc<File>>,
    builtin: Arc<Models>,
    /// Models of the price file as it was first read.
    first: Arc<Models>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    models: ArcSwap<Models>,
    /// What the file looked like when it was last read; none: it could not be.
    seen: Mutex<Option<Stamp>>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    length: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { modified: metadata.modified().ok()?, length: metadata.len() })
    }
}

fn ready(table: &Table) -> Models {
    table.models.iter().map(|(model, entry)| (model.clone(), Arc::new(entry.price()))).collect()
}

fn read(path: &Path) -> Result<Models, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let table = Table::read(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(ready(&table))
}

impl Prices {
    /// The prices that come with Weirgate: `prices.json`, which names its sources.
    pub fn builtin() -> Self {
        // A test holds the table readable; without it every model would be unpriced, which budgets refuse.
        let table = Table::read(include_str!("prices.json")).unwrap_or_default();
        Self { builtin: Arc::new(ready(&table)), ..Self::default() }
    }

    /// Sets the price of a model, over those of the price file and the built-in table.
    pub fn set(&mut self, model: &str, price: Price) {
        self.own.insert(model.to_owned(), Arc::new(price));
    }

    /// Sets what is done about models whose price is not known.
    pub fn set_unknown(&mut self, unknown: UnknownPrice) {
        self.unknown = unknown;
    }

    /// Takes the prices of a file over those of the built-in table.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn set_file(&mut self, path: &Path) -> Result<(), String> {
        let seen = Mutex::new(Stamp::of(path));
        let models = Arc::new(read(path)?);
        self.first = models.clone();
        self.file = Some(Arc::new(File { path: path.to_owned(), models: ArcSwap::new(models), seen }));
        Ok(())
    }

    /// Reads the price file again if it has changed, and says whether it has; this opens files, so it blocks.
    ///
    /// # Errors
    /// What is wrong with the file. It is said once for each change; the prices that were read last stay.
    pub fn reload(&self) -> Result<bool, String> {
        let Some(file) = &self.file else { return Ok(false) };
        let stamp = Stamp::of(&file.path);
        let before = std::mem::replace(&mut *file.seen.lock().unwrap_or_else(PoisonError::into_inner), stamp);
        if stamp == before {
            return Ok(false);
        }
        file.models.store(Arc::new(read(&file.path)?));
        Ok(true)
    }

    /// The path of the price file, if there is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// What is done about models whose price is not known.
    pub fn unknown(&self) -> &UnknownPrice {
        &self.unknown
    }

    /// The models that had a price when the configuration was read.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.own.keys().chain(self.first.keys()).chain(self.builtin.keys()).map(String::as_str)
    }

    /// The models that have a price now, in alphabetical order, each with its price and where that is from.
    pub fn list(&self) -> Vec<(String, Arc<Price>, Source)> {
        let file = self.file.as_ref().map(|file| file.models.load_full()).unwrap_or_default();
        let mut names: Vec<&String> = self.own.keys().chain(file.keys()).chain(self.builtin.keys()).collect();
        names.sort();
        names.dedup();
        let known = |name: &String| self.exact(name).map(|(price, source)| (name.clone(), price, source));
        names.into_iter().filter_map(known).collect()
    }

    /// The price of a model by its provider's name, if it is known. A dated name such as `gpt-4o-2024-08-06` has its model's
    /// price unless it has its own, and so does a fine-tuned one such as `ft:gpt-4o:acme::7p4l`.
    pub fn get(&self, model: &str) -> Option<Arc<Price>> {
        self.source(model).map(|(price, _)| price)
    }

    /// The same as [`Self::get`], and where the price is from.
    pub fn source(&self, model: &str) -> Option<(Arc<Price>, Source)> {
        let tuned_from =
            model.strip_prefix("ft:").and_then(|rest| rest.find(':')).and_then(|end| model.get(..end + 3));
        let name = tuned_from.unwrap_or(model);
        self.exact(model).or_else(|| self.exact(name)).or_else(|| self.exact(undated(name)?))
    }

    /// What is known of a model's price, by its provider's name.
    pub fn find(&self, model: &str) -> Found {
        match (self.get(model), &self.unknown) {
            (Some(price), _) => Found::Known(price),
            (None, UnknownPrice::Default(price)) => Found::Default(price.clone()),
            (None, UnknownPrice::Zero) => Found::Zero,
            (None, UnknownPrice::Refuse) => Found::Unknown,
        }
    }

    fn exact(&self, model: &str) -> Option<(Arc<Price>, Source)> {
        let own = self.own.get(model).map(|price| (price.clone(), Source::Configuration));
        let file = || {
            let models = self.file.as_ref()?.models.load();
            models.get(model).map(|price| (price.clone(), Source::File))
        };
        let builtin = || self.builtin.get(model).map(|price| (price.clone(), Source::BuiltIn));
        own.or_else(file).or_else(builtin)
    }
}

/// A name without the date at its end: `-2024-08-06`, `-20240806` or, as Vertex AI writes it, `@20240806` or `@default`.
fn undated(name: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = || {
        let (base, date) = name.split_at_checked(name.len().checked_sub(9)?)?;
        date.strip_prefix(['-', '@']).filter(|date| date.starts_with("20") && digits(date))?;
        Some(base)
    };
    let dashed = || {
        let (base, date) = name.split_at_checked(name.len().checked_sub(11)?)?;
        let mut parts = date.strip_prefix("-20")?.split('-');
        let right =
            [2, 2, 2].map(|length| parts.next().is_some_and(|part| part.len() == length && digits(part)));
        (right == [true; 3]).then_some(base)
    };
    name.strip_suffix("@default").or_else(plain).or_else(dashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(input: &str) -> String {
        format!(
            r#"{{"models":[{{"model":"gpt-4o","input":"{input}","output":"1"}},{{"model":"new","input":"1","output":"1"}}]}}"#
        )
    }

    fn input(prices: &Prices, model: &str) -> Option<u64> {
        prices.get(model).map(|price| price.base.standard.input)
    }

    /// Writes a file so that its change can be seen: file systems count time in steps.
    fn write(path: &Path, text: &str, age: u64) {
        std::fs::write(path, text).unwrap();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + age);
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn a_name_with_a_date_has_its_models_price() {
        for (name, base) in [
            ("gpt-4o-2024-08-06", Some("gpt-4o")),
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("claude-sonnet-4-5@20250929", Some("claude-sonnet-4-5")),
            ("gpt-4o-2025-08-20", Some("gpt-4o")),
            ("claude-opus-4-6@default", Some("claude-opus-4-6")),
            ("gpt-oss-20b", None),
            ("model-2025-0820", None),
            ("model-2024", None),
            ("gpt-4o", None),
        ] {
            assert_eq!(undated(name), base, "{name}");
        }
        let prices = Prices::builtin();
        assert_eq!(input(&prices, "gpt-4o-2024-08-06"), Some(2_500_000));
        // This one has a price of its own.
        assert_eq!(input(&prices, "gpt-4o-2024-05-13"), Some(5_000_000));
        assert_eq!(input(&prices, "gpt-4o-3024-05-13"), None);
        assert_eq!(input(&prices, "no-such-model"), None);
    }

    #[test]
    fn a_tuned_model_costs_what_its_kind_does() {
        let mut prices = Prices::default();
        prices.set("ft:gpt-4o-2024-08-06", Price::of(3_750_000, 15_000_000));
        prices.set("ft:o4-mini", Price::of(4_000_000, 16_000_000));
        assert_eq!(input(&prices, "ft:gpt-4o-2024-08-06:acme:name:id"), Some(3_750_000));
        assert_eq!(input(&prices, "ft:o4-mini-2025-04-16:acme::id"), Some(4_000_000));
        assert_eq!(input(&prices, "ft:"), None);
    }

    #[test]
    fn the_configuration_goes_before_the_file_and_the_file_before_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.json");
        write(&path, &table("7"), 0);
        let mut prices = Prices::builtin();
        prices.set_file(&path).unwrap();
        assert_eq!(prices.source("gpt-4o").unwrap().1, Source::File);
        assert_eq!(prices.source("o3").unwrap().1, Source::BuiltIn);
        prices.set("gpt-4o", Price::of(1, 1));
        assert_eq!(prices.source("gpt-4o").unwrap().1, Source::Configuration);
        assert!(prices.models().any(|model| model == "new"));
        let list = prices.list();
        assert_eq!(list.iter().filter(|(model, _, _)| model == "gpt-4o").count(), 1);
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_a_broken_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.json");
        write(&path, &table("7"), 0);
        let mut prices = Prices::builtin();
        prices.set_file(&path).unwrap();
        let shared = prices.clone();
        assert_eq!(prices.reload(), Ok(false));
        write(&path, &table("8"), 1);
        assert_eq!(prices.reload(), Ok(true));
        assert_eq!(input(&shared, "gpt-4o"), Some(8_000_000));
        write(&path, "{", 2);
        assert!(prices.reload().unwrap_err().contains("prices.json"));
        assert_eq!(prices.reload(), Ok(false), "it is said once");
        std::fs::remove_file(&path).unwrap();
        assert!(prices.reload().is_err());
        assert_eq!(prices.reload(), Ok(false));
        assert_eq!(input(&shared, "gpt-4o"), Some(8_000_000));
        write(&path, &table("9"), 2);
        assert_eq!(prices.reload(), Ok(true));
        assert_eq!(input(&shared, "gpt-4o"), Some(9_000_000));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_at_the_start() {
        assert!(
            Prices::builtin()
                .set_file(Path::new("/no/such/prices.json"))
                .unwrap_err()
                .contains("cannot read")
        );
    }

    #[test]
    fn models_without_a_price_meet_the_policy() {
        let mut prices = Prices::default();
        assert_eq!(prices.find("x"), Found::Unknown);
        prices.set_unknown(UnknownPrice::Zero);
        assert_eq!(prices.find("x"), Found::Zero);
        let price = Arc::new(Price::of(2, 3));
        prices.set_unknown(UnknownPrice::Default(price.clone()));
        assert_eq!(prices.find("x").price(), Some(&*price));
        prices.set("x", Price::of(0, 0));
        assert!(matches!(prices.find("x"), Found::Known(_)));
    }
}
