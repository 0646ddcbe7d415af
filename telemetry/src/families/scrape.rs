//! The families of a page's tail: the only ones whose values are computed in a scrape, because an age
//! that is frozen with its page could not show that sampling has stopped.

use super::families;

families! {
    SAMPLE_AGE: Gauge "kerf_scrape_sample_age_seconds" "seconds" ["gpu_uuid"]
        "Age of the last sample of the GPU when it was scraped; absent before the first.";
    RENDER_AGE: Gauge "kerf_scrape_render_age_seconds" "seconds" []
        "Age of this page when it was scraped; it grows if the sampling loop of kerfd stops.";
}
