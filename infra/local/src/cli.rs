//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// A serverless vault for dynamic secrets, whole on this machine.
#[derive(Debug, Parser)]
#[command(name = "mayfly", version)]
pub struct Cli {
    /// What to do; without it the vault is served.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: Serve,
}

/// What else this program does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the definition of the DynamoDB table, as `aws dynamodb create-table --cli-input-json` takes it
    Table {
        /// Name of the table
        #[arg(long, default_value = "mayfly")]
        name: String,
    },
    /// Serve the sandbox cloud alone and print keys for it; a vault uses it with --cloud real, `AWS_ENDPOINT_URL_STS`
    /// and `MAYFLY_AZURE_{LOGIN,GRAPH,ARM}_ENDPOINT`
    Sandbox {
        /// Port on 127.0.0.1
        #[arg(long, default_value_t = 8601)]
        port: u16,
        /// Where its state is kept
        #[arg(long, default_value = ".mayfly-sandbox")]
        data_dir: PathBuf,
        /// A file that says how many seconds its clock is ahead of the machine's
        #[arg(long, value_name = "FILE", hide = true)]
        clock_ahead: Option<PathBuf>,
    },
    /// Add a branch key and seal every secret anew with it; the vault must be stopped
    Reseal {
        /// Where the vault keeps everything
        #[arg(long, default_value = ".mayfly")]
        data_dir: PathBuf,
    },
    /// List what carries the vault's marks in the cloud and has no unfinished lease, as after its table was restored to
    /// an earlier time; the vault must be stopped
    Reconcile {
        /// Where the vault keeps everything
        #[arg(long, default_value = ".mayfly")]
        data_dir: PathBuf,
        /// Delete what is found
        #[arg(long)]
        delete: bool,
    },
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8600)]
    pub port: u16,
    /// Where the vault keeps everything
    #[arg(long, default_value = ".mayfly", conflicts_with = "ephemeral")]
    pub data_dir: PathBuf,
    /// Keep everything in memory and forget it at the end
    #[arg(long)]
    pub ephemeral: bool,
    /// The cloud that mints
    #[arg(long, value_enum, default_value_t = Cloud::Sandbox)]
    pub cloud: Cloud,
    /// Write {"url","clientId","clientSecret"} here (mode 0600) once requests are answered
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Make another admin client and print it
    #[arg(long)]
    pub recover: bool,
    /// Make no admin and no samples: whoever comes first makes one by POST /v1/initialize, as `dsv init` does
    #[arg(long, conflicts_with_all = ["recover", "ready_file"])]
    pub no_admin: bool,
    /// A file that says how many seconds the vault's clock is ahead of the machine's
    #[arg(long, value_name = "FILE", hide = true)]
    pub clock_ahead: Option<PathBuf>,
}

/// Which cloud mints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Cloud {
    /// A stand-in inside this process: nothing leaves the machine
    Sandbox,
    /// AWS and Azure themselves
    Real,
}

impl Cloud {
    /// Its word on the command line and in the data directory.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Real => "real",
        }
    }
}
