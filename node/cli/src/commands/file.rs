// SPDX-License-Identifier: Apache-2.0

//! `cairn put`, `get`, `ls` and their like: files in drives.

pub mod carry;
mod change;
mod exclude;
mod get;
mod list;
mod put;
pub mod share;
mod sync;

use std::path::PathBuf;

use clap::Args;

use crate::{commands::drive::place::StateDir, context::Context, failure::Result, output::Report};

/// What to put.
#[derive(Args, Debug)]
#[command(override_usage = "cairn put [OPTIONS] <SOURCE>... <DESTINATION>")]
pub struct Put {
    /// Files and folders on this machine, or - for standard input; then where to: drive:/path
    #[arg(required = true, num_args = 2.., value_name = "SOURCE... DESTINATION")]
    paths: Vec<String>,
    /// Folders with everything in them
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    excluded: Excluded,
    #[command(flatten)]
    state: StateDir,
}

/// What of a folder isn't meant.
#[derive(Args, Debug, Default)]
pub struct Excluded {
    /// Leave out what fits, like '*.tmp', node_modules or /build; one pattern each time
    #[arg(long = "exclude", value_name = "PATTERN")]
    patterns: Vec<String>,
}

/// Examples of [`Put`].
pub const PUT_HELP: &str = "\
Everything is one commit: all of it is there, or nothing. If the command is stopped, the same command goes on where it was.
What can't be read, is changed each time while it is read, or has a name that a drive can't have is left out and named, and the
command ends with exit code 5. Symbolic links and special files are left out and named, too. Holes of sparse files are stored as zeros;
times are kept to the millisecond.

A pattern of --exclude with a slash in it is for paths below the folder, one without for names anywhere in it; * and ? stand for
anything but a slash, ** for anything.

Examples:
  cairn put photo.jpg drive:/ --account alice
  cairn put -r photos notes.txt photos:/2026/ --account alice
  cairn put -r project drive:/ --exclude node_modules --exclude '*.o' --account alice
  tar c docs | cairn put - drive:/docs.tar --account alice";

/// What to get.
#[derive(Args, Debug)]
pub struct Get {
    /// What: drive:/path, a link (cairn:...), or @FILE with a link in it (@- for standard input)
    source: String,
    /// Where to: a file or folder on this machine, or - for standard output
    #[arg(default_value = ".")]
    destination: PathBuf,
    /// A directory with everything in it
    #[arg(long, short)]
    recursive: bool,
    /// As it was at this version
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    state: StateDir,
}

/// Examples of [`Get`].
pub const GET_HELP: &str = "\
A file appears under its name when it is whole and checked. If the command is stopped, the same command goes on where it was: what is there
already with the same content isn't got again.

Examples:
  cairn get drive:/photo.jpg --account alice
  cairn get -r photos:/2026 backup/ --account alice
  cairn get drive:/notes.txt --version 12 --account alice
  cairn get -r 'cairn:0a1b2c3d/7/412.1.…#…'
  cairn get -r @link.txt            (a link on the command line is seen by everybody on the machine)";

/// What to show.
#[derive(Args, Debug)]
pub struct Cat {
    /// What: drive:/path, a link to one file, or @FILE with one in it
    source: String,
    /// Only the bytes from A to B, counted from 0 and both included: A-B, A- or (the last B) -B
    #[arg(long, value_name = "A-B", allow_hyphen_values = true)]
    range: Option<String>,
    /// As it was at this version
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    state: StateDir,
}

/// What to list.
#[derive(Args, Debug)]
pub struct Ls {
    /// What: drive:/path, a link, or @FILE with one in it
    #[arg(default_value = "drive:/")]
    source: String,
    /// With sizes, times and modes
    #[arg(long, short)]
    long: bool,
    /// With everything in the directories
    #[arg(long, short = 'R')]
    recursive: bool,
    /// As it was at this version
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    state: StateDir,
}

/// What to remove.
#[derive(Args, Debug)]
pub struct Rm {
    /// What: drive:/path; several in one drive
    #[arg(required = true)]
    paths: Vec<String>,
    /// Directories with everything in them
    #[arg(long, short)]
    recursive: bool,
    #[command(flatten)]
    state: StateDir,
}

/// What to move.
#[derive(Args, Debug)]
pub struct Mv {
    /// From where: drive:/path
    from: String,
    /// To where, in the same drive: drive:/path
    to: String,
    #[command(flatten)]
    state: StateDir,
}

/// What to make.
#[derive(Args, Debug)]
pub struct Mkdir {
    /// Which: drive:/path; several in one drive
    #[arg(required = true)]
    paths: Vec<String>,
    #[command(flatten)]
    state: StateDir,
}

/// What to make alike.
#[derive(Args, Debug)]
pub struct Sync {
    /// Whose content counts: a folder on this machine, or drive:/path
    from: String,
    /// What becomes like it: the other of the two
    to: String,
    /// Remove what only the second has; last, and only if all else was done
    #[arg(long)]
    delete: bool,
    /// Do nothing at all if more files and folders than this would be removed
    #[arg(long, value_name = "N", requires = "delete")]
    max_delete: Option<usize>,
    /// Compare contents, also where sizes and times agree
    #[arg(long)]
    checksum: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    excluded: Excluded,
    #[command(flatten)]
    state: StateDir,
}

/// Examples of [`Sync`].
pub const SYNC_HELP: &str = "\
Sizes and times are compared, and the content where these leave a doubt. Times and modes follow. Symbolic links are left out. What
can't be read is left out and named, and nothing is removed for it; the command ends with exit code 5 then. What --exclude names is neither
copied nor removed. Before --delete removes much, you are asked: everything for an empty folder, or more than half of a directory in a
drive; and always before it removes files of this machine.

Examples:
  cairn sync photos drive:/photos --account alice
  cairn sync drive:/photos photos --delete --account alice";

/// With whom to share.
#[derive(Args, Debug)]
#[group(id = "how", multiple = false, args = ["with", "link", "public"])]
pub struct Share {
    /// What: a drive by name or number, with --link also a path in it; or `accept`, to publish the key that others need
    place: String,
    /// With this account
    #[arg(value_name = "ACCOUNT")]
    with: Option<String>,
    /// What it may do [default: reader]
    #[arg(long, value_enum, conflicts_with_all = ["link", "public"])]
    role: Option<RoleArg>,
    /// For how long: 30d, 12h, or the number of a block; only accounts can be shared with for a time
    #[arg(long, value_name = "TIME", conflicts_with_all = ["link", "public"])]
    until: Option<String>,
    /// Make a link to what is there now: who has it can read that
    #[arg(long)]
    link: bool,
    /// Let everybody read the drive
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    state: StateDir,
}

/// A role on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RoleArg {
    /// To read.
    Reader,
    /// To read and write.
    Writer,
}

/// Examples of [`Share`].
pub const SHARE_HELP: &str = "\
Accounts are given whole drives; each publishes a key for that once (`cairn share accept`). What was readable for somebody stays
so: `cairn unshare` closes what is written from then on. A link is to what is there when it is made, and ends
with the next `cairn drive trim`: live files are moved then, and links lead to where they were. Make new ones after it.

Examples:
  cairn share accept --account bob
  cairn share photos bob --until 30d --account alice
  cairn share photos bob --role writer --account alice
  cairn share --link photos:/2026 --account alice
  cairn share website --public --account alice";

/// With whom to share no longer.
#[derive(Args, Debug)]
#[command(override_usage = "cairn unshare [OPTIONS] <PLACE> <ACCOUNT|--public>")]
#[group(id = "whom", required = true, multiple = false, args = ["from", "public"])]
pub struct Unshare {
    /// Which drive, by name or number
    place: String,
    /// Not with this account any more
    #[arg(value_name = "ACCOUNT")]
    from: Option<String>,
    /// Not with everybody any more
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    state: StateDir,
}

/// Whose versions to list.
#[derive(Args, Debug)]
pub struct Versions {
    /// Which drive, by name or number
    #[arg(default_value = "drive:")]
    place: String,
    #[command(flatten)]
    state: StateDir,
}

/// A command about files.
#[derive(Debug)]
pub enum Command {
    Put(Put),
    Get(Get),
    Cat(Cat),
    Ls(Ls),
    Rm(Rm),
    Mv(Mv),
    Mkdir(Mkdir),
    Sync(Sync),
    Share(Share),
    Unshare(Unshare),
    Versions(Versions),
}

/// Runs a command; some write to standard output themselves.
pub async fn run(context: &Context, command: Command) -> Result<Report> {
    match command {
        Command::Put(args) => Box::pin(put::put(context, args)).await,
        Command::Get(args) => Box::pin(get::get(context, args)).await,
        Command::Cat(args) => Box::pin(get::cat(context, args)).await,
        Command::Ls(args) => Box::pin(list::ls(context, args)).await,
        Command::Rm(args) => Box::pin(change::rm(context, args)).await,
        Command::Mv(args) => Box::pin(change::mv(context, args)).await,
        Command::Mkdir(args) => Box::pin(change::mkdir(context, args)).await,
        Command::Sync(args) => Box::pin(sync::sync(context, args)).await,
        Command::Share(args) => Box::pin(share::share(context, args)).await,
        Command::Unshare(args) => Box::pin(share::unshare(context, args)).await,
        Command::Versions(args) => Box::pin(list::versions(context, args)).await,
    }
}

/// Puts one file of this machine into a drive, and makes a link to it.
pub async fn store_and_link(context: &Context, source: &std::path::Path, place: &str) -> Result<String> {
    let state = || StateDir { state: None };
    let paths = vec![source.display().to_string(), place.to_string()];
    let excluded = Excluded::default();
    put::put(context, Put { paths, recursive: false, excluded, state: state() }).await?;
    let place = place.to_string();
    let args = Share { place, with: None, role: None, until: None, link: true, public: false, state: state() };
    let report = share::share(context, args).await?;
    let link = report.json["link"].as_str().map(ToString::to_string);
    link.ok_or_else(|| crate::failure::failed("no link was made", "try again"))
}
