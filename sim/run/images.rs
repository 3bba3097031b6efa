//! The image that the devices of a run download: what it is, and where each shard's devices find it.

use super::environment::{self, EnvironmentError};
use crate::device::Image;
use crate::policy::MadeImage;
use crate::profile::Plan;
use crate::shard::{Endpoints, ImageOffer};

/// The certificates of the CAs that may have signed that of the image's server, in PEM: a file, or the text itself.
/// Without it, those are trusted that this system trusts.
pub(super) const IMAGE_CA: &str = "TWINSTORM_IMAGE_CA";

/// The image of a run.
#[derive(Debug)]
pub(super) enum Images {
    /// Served by each hub, under this path.
    Hub { path: String, sha256: String },
    /// From somewhere else.
    Url(ImageOffer),
}

impl Images {
    /// The one that `plan` asks for; `None` if nothing is downloaded. What the environment says comes through
    /// `variable`, which is `std::env::var` outside tests.
    ///
    /// # Errors
    /// The environment names a CA that is none.
    pub(super) fn of(plan: &Plan, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, EnvironmentError> {
        Ok(match &plan.firmware.image {
            None | Some(Image::Nowhere { .. }) => None,
            Some(Image::Hub { size, .. }) => {
                // Another seed, another image: a cache on the way must not know it yet.
                let name = format!("firmware-{}", plan.seed.0);
                // The profile has looked at the size.
                MadeImage::new(&name, *size)
                    .map(|image| Self::Hub { path: format!("/images/{name}?size={size}"), sha256: image.sha256() })
            }
            Some(Image::Url { url, sha256, .. }) => {
                let text = variable(IMAGE_CA).filter(|value| !value.trim().is_empty());
                let authority = text.map(|text| environment::authority(IMAGE_CA, &text)).transpose()?;
                Some(Self::Url(ImageOffer { url: url.clone(), sha256: sha256.clone(), authority }))
            }
        })
    }

    /// Where devices find it whose hub is at `endpoints`.
    pub(super) fn at(&self, endpoints: &Endpoints) -> Option<ImageOffer> {
        match self {
            Self::Hub { path, sha256 } => {
                let authority = match &endpoints.tls {
                    Some(proof) => proof.authority.clone(),
                    None => endpoints.rest_authority.clone(),
                };
                let url = format!("{}{path}", endpoints.images.as_ref()?);
                Some(ImageOffer { url, sha256: sha256.clone(), authority })
            }
            Self::Url(offer) => Some(offer.clone()),
        }
    }
}
