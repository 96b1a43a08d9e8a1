//! Writes the seeds of every target to files, as a fuzzer wants them: `FOLDER/<target>/seed-<number>`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("name the folder for the corpora"))?;
    for (name, _, seeds) in fuzz_targets::TARGETS {
        let corpus = Path::new(&folder).join(name);
        fs::create_dir_all(&corpus)?;
        for (number, octets) in seeds().into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), octets)?;
        }
    }
    Ok(())
}
