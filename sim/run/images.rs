//! The image that the devices of a run download: what it is, and where each shard's devices find it.

use super::environment::{self, EnvironmentError};
use crate::device::Image;
use crate::policy::MadeImage;
use crate::profile::Plan;
use crate::shard::{Endpoints, ImageOffer};

/// The certificates of the CAs that may have signed that of the image's server, in PEM: a file, or the text itself.
/// Without it, those are trusted that this system trusts.
pub(super) const IMAGE_CA: &str = "TWINSTORM_IMAGE_CA";

/// The address of the image with what follows the `?`, which may be a signature: no plan, log or result shows it. Up to
/// there it is `firmware.image.url`. Without it, that is all there is.
const IMAGE_URL: &str = "TWINSTORM_IMAGE_URL";

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
    /// The environment names a CA that is none, or the address of another image.
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
                let said = |name| variable(name).filter(|value| !value.trim().is_empty());
                let url = match said(IMAGE_URL) {
                    None => url.clone(),
                    Some(whole) if whole.trim().split('?').next() == Some(url) => whole.trim().to_owned(),
                    Some(_) => {
                        let why = format!("up to its `?` it is not {url}, which firmware.image.url says");
                        return Err(EnvironmentError::Unusable { variable: IMAGE_URL, why });
                    }
                };
                let authority = said(IMAGE_CA).map(|text| environment::authority(IMAGE_CA, &text)).transpose()?;
                Some(Self::Url(ImageOffer { url, sha256: sha256.clone(), authority }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_comes_from_the_environment_and_shows_itself_nowhere() {
        let hash = "0".repeat(64);
        let text = format!("[firmware]\nimage = {{ url = 'https://h/x', sha256 = '{hash}' }}");
        let plan = crate::profile::parse("my.toml", &text, &[]).unwrap();
        let of = |url: &str| Images::of(&plan, |name| (name == IMAGE_URL).then(|| url.to_owned()));
        let signed = of("https://h/x?sig=hunter2").unwrap();
        assert!(!format!("{signed:?}").contains("hunter2"));
        let Some(Images::Url(offer)) = signed else { panic!("{signed:?}") };
        assert_eq!(offer.url, "https://h/x?sig=hunter2");
        assert!(matches!(of(""), Ok(Some(Images::Url(offer))) if offer.url == "https://h/x"));
        for other in ["https://h/y?sig=hunter2", "http://h/x?sig=hunter2", "https://bob:hunter2@h/x"] {
            let error = of(other).unwrap_err().to_string();
            assert!(error.contains("TWINSTORM_IMAGE_URL") && !error.contains("hunter2"), "{error}");
        }
    }
}
