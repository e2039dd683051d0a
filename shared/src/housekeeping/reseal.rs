//! Moving everything that is sealed to a new branch key, a piece with every sweep.

use std::time::Duration;

use time::OffsetDateTime;

use crate::{
    app::App,
    clock::unix_millis,
    error::Error,
    seal::Purpose,
    secrets::reseal::{Resealed, walk},
    store::schema::{Key, ResealPosition, ResealRecord},
};

/// Warm processes notice a new branch key within a quarter of an hour, and seal with the old one until then.
const ALL_KNOW: Duration = Duration::from_mins(20);

/// Goes on where the last sweep stopped. It is done when a whole pass has found nothing to move: what was deleted or
/// brought back meanwhile may have changed lists behind the first.
pub(super) async fn go_on(app: &App, until: OffsetDateTime) -> Result<Resealed, Error> {
    let mut done = Resealed::default();
    let Some(mut run) = due(app).await? else {
        return Ok(done);
    };
    let walked = walk(app, &mut run.at, until, &mut done).await;
    run.found |= done.moved + done.missed > 0;
    if let Ok(true) = walked {
        run.done = !run.found;
        (run.at, run.found) = (ResealPosition::default(), false);
    }
    // How far it came counts even if it did not come further.
    app.table.put(&run).await?;
    walked.map(|_| done)
}

/// The run that is to be gone on with, or a new one if there is a new key.
async fn due(app: &App) -> Result<Option<ResealRecord>, Error> {
    let keys = app.sealer.keys();
    let Some((newest, made)) = keys.newest_made(Purpose::Secret).await? else {
        return Ok(None);
    };
    if newest == 1 || made > unix_millis(app.clock.now() - ALL_KNOW) {
        return Ok(None);
    }
    let key = Key::reseal(Purpose::Secret);
    let stored: Option<ResealRecord> = app.table.get(&key).await?;
    let run = match stored {
        Some(run) if run.to == newest => run,
        _ => ResealRecord {
            key,
            to: newest,
            at: ResealPosition::default(),
            found: false,
            done: false,
        },
    };
    if run.done {
        return Ok(None);
    }
    // This process, too, must know the key that everything is to move to.
    keys.numbered(Purpose::Secret, newest).await?;
    Ok(Some(run))
}
