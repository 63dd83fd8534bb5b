//! What is loaded: many files, and one file with the same rows.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::generated::Made;
use crate::console::say;
use crate::full_year;
use crate::upload;

/// The bucket that all data sets are in.
pub(crate) const BUCKET: &str = "bench";
/// Files of the sample, from the repository's folder.
pub(crate) const SAMPLE: &str = "tests/data/gsod/2022";
/// How often the sample's files are there: once they are loaded too fast to be measured.
pub(crate) const SAMPLE_COPIES: usize = 20;
/// Files of the middle data set.
const SOME_FILES: usize = 3_000;
/// The data set that has all files of those that are given.
pub(crate) const ALL_FILES: &str = "all_files";
/// Files of a made-up table.
const MADE_FILES: u64 = 16;

/// Files with the same header, and one with all their rows.
#[derive(Debug, Clone)]
pub(crate) struct Dataset {
    /// The name, which is the table's too.
    pub(crate) name: String,
    /// The files.
    pub(crate) files: Vec<PathBuf>,
    /// The file with all rows.
    pub(crate) one: PathBuf,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// The header's names.
    pub(crate) header: Vec<String>,
    /// Whether it is weather, for which the bars are.
    pub(crate) is_weather: bool,
    /// Whether it is the same in any encoding that has ASCII.
    pub(crate) is_ascii: bool,
}

/// Where the data sets are while the benchmark runs: the server can read them all.
pub(crate) struct Shelf {
    root: PathBuf,
}

impl Shelf {
    /// Makes an empty folder.
    pub(crate) fn new() -> anyhow::Result<Self> {
        // A home folder may be closed to the server's account; this folder is not.
        let root = std::env::temp_dir().join(format!("loader-bench-{}", std::process::id()));
        fs::create_dir_all(root.join(BUCKET)).with_context(|| format!("cannot create {}", root.display()))?;
        for folder in [root.clone(), root.join(BUCKET)] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { root })
    }

    /// Returns the folder whose folders are buckets.
    pub(crate) fn buckets(&self) -> &Path {
        &self.root
    }

    /// Lets a second bucket have all the objects.
    pub(crate) fn share(&self, bucket: &str) -> anyhow::Result<()> {
        std::os::unix::fs::symlink(self.root.join(BUCKET), self.root.join(bucket))
            .with_context(|| format!("cannot share the objects with bucket {bucket}"))
    }

    /// Returns the sample's files, some times over.
    pub(crate) fn sample(&self, workspace: &Path) -> anyhow::Result<Dataset> {
        let files = upload::source_files(&workspace.join(SAMPLE), "")?;
        let folder = self.folder("sample")?;
        for copy in 0..SAMPLE_COPIES {
            for file in &files {
                fs::copy(&file.path, folder.join(format!("{copy:02}-{}", file.key)))?;
            }
        }
        self.dataset("sample", true)
    }

    /// Returns the files of a folder or an archive: 3,000 of them, and all.
    pub(crate) async fn given(&self, data: &Path) -> anyhow::Result<Vec<Dataset>> {
        let files = full_year::unpack(data, &self.root.join("unpacked")).await?;
        let mut datasets = Vec::new();
        let counts = if files.len() > SOME_FILES { vec![SOME_FILES, files.len()] } else { vec![files.len()] };
        for count in counts {
            let name = if count == files.len() { ALL_FILES } else { "some_files" };
            let folder = self.folder(name)?;
            // Spread over all of them, as their sizes go with their names.
            for number in 0..count {
                let Some(file) = files.get(number * files.len() / count) else { continue };
                let name = file.path.file_name().context("a file without a name")?;
                let target = folder.join(name);
                fs::hard_link(&file.path, &target).or_else(|_| fs::copy(&file.path, &target).map(|_| ()))?;
            }
            datasets.push(self.dataset(name, true)?);
        }
        Ok(datasets)
    }

    /// Makes up a table.
    pub(crate) fn made(&self, made: Made, bytes: u64) -> anyhow::Result<Dataset> {
        let folder = self.folder(made.name())?;
        made.write(&folder, bytes, if made == Made::Mixed { 1 } else { MADE_FILES })?;
        self.dataset(made.name(), false)
    }

    fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.root.join(BUCKET).join(name).join("many");
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    fn dataset(&self, name: &str, is_weather: bool) -> anyhow::Result<Dataset> {
        let folder = self.root.join(BUCKET).join(name).join("many");
        let files: Vec<PathBuf> =
            upload::source_files(&folder, "")?.into_iter().map(|file| file.path).collect();
        for file in &files {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644))?;
        }
        let one = self.root.join(BUCKET).join(name).join("one").join("all.csv");
        fs::create_dir_all(one.parent().context("a folder")?)?;
        let header = concatenate(&files, &one)?;
        let bytes = fs::metadata(&one)?.len();
        let mut reader = csv::Reader::from_reader(header.as_bytes());
        let header = reader.headers()?.iter().map(ToOwned::to_owned).collect();
        say(format!("{name}: {} files, {:.1} MB", files.len(), megabytes(bytes)));
        let is_ascii = is_ascii(&one)?;
        Ok(Dataset { name: name.to_owned(), files, one, bytes, header, is_weather, is_ascii })
    }

    /// Removes all data sets.
    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.root).with_context(|| format!("cannot remove {}", self.root.display()))
    }
}

impl Dataset {
    /// Returns the prefix of the files, or of the one file.
    pub(crate) fn prefix(&self, one: bool) -> String {
        format!("{}/{}/", self.name, if one { "one" } else { "many" })
    }
}

/// Returns bytes as millions of them.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn is_ascii(path: &Path) -> anyhow::Result<bool> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() || !bytes.is_ascii() {
            return Ok(bytes.is_empty());
        }
        let read = bytes.len();
        file.consume(read);
    }
}

/// Writes all files into one, with one header, and returns that.
fn concatenate(files: &[PathBuf], one: &Path) -> anyhow::Result<String> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(one)?);
    let mut first: Option<String> = None;
    for path in files {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut header = String::new();
        file.read_line(&mut header)?;
        if let Some(first) = &first {
            ensure!(*first == header, "{} has another header", path.display());
        } else {
            out.write_all(header.as_bytes())?;
            first = Some(header);
        }
        std::io::copy(&mut file, &mut out)?;
    }
    out.flush()?;
    first.context("there are no files")
}
