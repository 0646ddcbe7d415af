//! The parsers against captures of real GPUs, and against texts of what the captures do not show.

#[path = "../../../tests/gpu_check/capture.rs"]
mod capture;

use super::details::{details, plain};
use super::links::links;
use super::list::{ListedMig, list};
use super::query::{FIELDS, query, refused_field};
use super::topology::matrix;
use super::{Said, mig};
use capture::Capture;

const WHOLE: &str = "h100-80gb-hbm3-590.48.01.txt";
const CUT: &str = "h100-mig-590.48.01.txt";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

#[test]
fn a_cell_says_something_or_nothing_or_withholds_it() {
    let check = |cell, expected| assert_eq!(Said::new(cell), expected, "{cell:?}");
    check(" 41 ", Said::Value("41"));
    check("[N/A]", Said::Nothing);
    check("N/A", Said::Nothing);
    check("", Said::Nothing);
    check("[Unknown Error]", Said::Withheld("Unknown Error"));
    let deprecated = Said::Withheld("deprecated in nvidia-smi");
    check("[Requested functionality has been deprecated]", deprecated);
    check("Requested functionality has been deprecated", deprecated);
}

#[test]
fn the_list_of_a_whole_gpu_and_of_a_cut_one() {
    let (Some(whole), Some(cut)) = (Capture::open(WHOLE), Capture::open(CUT)) else {
        return;
    };
    let gpus = list(&whole.text("capabilities", "-L")).expect("a list");
    assert_eq!(gpus.len(), 1);
    assert_eq!(gpus[0].name, "NVIDIA H100 80GB HBM3");
    assert_eq!(gpus[0].uuid, format!("GPU-{NIL}"));
    assert!(gpus[0].mig.is_empty());
    let gpus = list(&cut.text("capabilities", "-L")).expect("a list");
    let names: Vec<&str> = gpus[0].mig.iter().map(|mig| mig.name.as_str()).collect();
    assert_eq!(names, ["3g.40gb", "2g.20gb", "1g.10gb", "1g.10gb"]);
    let last = ListedMig {
        index: 3,
        name: "1g.10gb".to_owned(),
        uuid: "MIG-00000003-0000-0000-0000-000000000003".to_owned(),
    };
    assert_eq!(gpus[0].mig.last(), Some(&last));
}

#[test]
fn the_matrix_of_one_gpu() {
    let Some(whole) = Capture::open(WHOLE) else {
        return;
    };
    let matrix = matrix(&whole.text("capabilities", "topo -m")).expect("a matrix");
    assert_eq!(matrix.devices, ["GPU0"]);
    assert_eq!(matrix.rows[0].links, ["X"]);
    assert_eq!(matrix.rows[0].cpu_affinity.as_deref(), Some("0-19"));
    assert_eq!(matrix.rows[0].numa_affinity.as_deref(), Some("0"));
    assert!(matrix.nics.is_empty());
}

#[test]
fn the_matrix_of_two_gpus_and_an_interface() {
    let text = "\t\u{1b}[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\u{1b}[0m\n\
        GPU0\t X \tNV18\tPIX\t0-55,112-167\t0\t\tN/A\n\
        GPU1\tNV18\t X \tSYS\t56-111\t\t1\t\tN/A\n\
        NIC0\tPIX\tSYS\t X \t\t\n\
        \nLegend:\n\n  X    = Self\n\nNIC Legend:\n\n  NIC0: mlx5_3\n";
    let found = matrix(text).expect("a matrix");
    assert_eq!(found.devices, ["GPU0", "GPU1", "NIC0"]);
    assert_eq!(found.rows[0].links, ["X", "NV18", "PIX"]);
    assert_eq!(found.rows[1].cpu_affinity.as_deref(), Some("56-111"));
    assert_eq!(found.rows[1].numa_affinity.as_deref(), Some("1"));
    assert_eq!(found.rows[2].links, ["PIX", "SYS", "X"]);
    assert_eq!(found.rows[2].cpu_affinity, None);
    assert_eq!(found.nics["NIC0"], "mlx5_3");
    let short = text.replace("NV18\t X \tSYS\t56-111", "NV18\t X ");
    matrix(&short).expect_err("a row without all links");
    let absent = text.replace("NIC0\tPIX", "nothing");
    matrix(&absent).expect_err("a device without a row");
}

#[test]
fn link_states() {
    let (Some(whole), Some(cut)) = (Capture::open(WHOLE), Capture::open(CUT)) else {
        return;
    };
    let found = links(&whole.text("capabilities", "nvlink -s")).expect("states");
    let up = found[0].up.as_ref().expect("asked");
    assert_eq!((up.len(), up.values().all(|up| *up)), (18, true));
    let found = links(&cut.text("capabilities", "nvlink -s")).expect("states");
    assert_eq!((found[0].index, &found[0].up), (0, &None), "MIG mode");
    let down = "GPU 1: A (UUID: GPU-1)\n\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>\n";
    let found = links(down).expect("states");
    let up: Vec<_> = found[0].up.iter().flatten().collect();
    assert_eq!((found[0].index, up), (1, vec![(&0, &true), (&1, &false)]));
}

/// The capture holds more fields than are asked for here, and units.
#[test]
fn every_field_that_is_asked_for_is_one_that_the_real_one_knows() {
    let Some(whole) = Capture::open(WHOLE) else {
        return;
    };
    let help = whole.text("capabilities", "--help-query-gpu");
    let names = |line: &str| -> Vec<String> {
        let quoted = line.split('"').skip(1).step_by(2);
        quoted.map(str::to_owned).collect()
    };
    let known: Vec<String> = help.lines().flat_map(names).collect();
    let unknown: Vec<_> = FIELDS
        .iter()
        .filter(|field| !known.contains(&(**field).to_owned()))
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_line_of_a_query() {
    let fields = ["index", "name", "temperature.memory", "power.draw"];
    let found = query("0, NVIDIA H100, [N/A], 69.85\n\n", &fields).expect("a line");
    assert_eq!(found[0].said("name"), Said::Value("NVIDIA H100"));
    assert_eq!(found[0].said("temperature.memory"), Said::Nothing);
    assert_eq!(found[0].number("power.draw"), Some(69.85));
    let unasked = Said::Withheld("unknown to this nvidia-smi");
    assert_eq!(found[0].said("uuid"), unasked);
    query("0, NVIDIA H100\n", &fields).expect_err("too few cells");
    query("x, NVIDIA H100, 1, 2\n", &fields).expect_err("no index");
}

#[test]
fn a_refused_field_is_named() {
    let text = "Field \"temperature.memory\" is not a valid field to query.\n";
    assert_eq!(refused_field(text), Some("temperature.memory"));
    assert_eq!(
        refused_field("Field \"x\" is not a valid field to query."),
        None
    );
    assert_eq!(refused_field("Unable to determine the device handle"), None);
}

#[test]
fn details_of_a_busy_gpu() {
    let Some(whole) = Capture::open(WHOLE) else {
        return;
    };
    let found = details(&whole.text("load", "-q"));
    assert_eq!(found.host("CUDA Version"), Said::Value("13.1"));
    assert_eq!(found.host("Driver Version"), Said::Value("590.48.01"));
    let gpu = &found.gpus[0];
    assert_eq!(
        (found.gpus.len(), gpu.pci.as_str()),
        (1, "00000000:00:09.0")
    );
    assert_eq!(gpu.said("Minor Number"), Said::Value("0"));
    assert_eq!(gpu.said("Product Architecture"), Said::Value("Hopper"));
    assert_eq!(gpu.said("PCI/Replays Since Reset"), Said::Value("9"));
    assert_eq!(gpu.said("MIG Mode/Current"), Said::Value("Disabled"));
    assert_eq!(gpu.said("FB Memory Usage/Total"), Said::Value("81559 MiB"));
    assert_eq!(gpu.pids(), [11327, 11328, 11345]);
    assert_eq!(gpu.mig_devices(), Ok(Vec::new()));
    assert_eq!(gpu.said("Colour"), Said::Withheld("not in nvidia-smi -q"));
}

#[test]
fn details_of_mig_devices() {
    let Some(cut) = Capture::open(CUT) else {
        return;
    };
    let found = details(&cut.text("idle", "-q"));
    let devices = found.gpus[0].mig_devices().expect("devices");
    let seen: Vec<_> = devices
        .iter()
        .map(|mig| (mig.index, mig.gi, mig.ci, mig.sm_count, mig.memory_used_mib))
        .collect();
    let expected = [
        (0, 2, 0, Some(60), Some(26)),
        (1, 3, 0, Some(32), Some(17)),
        (2, 9, 0, Some(16), Some(9)),
        (3, 10, 0, Some(16), Some(9)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(devices[0].memory_total_mib, Some(40_448));
    let busy = details(&cut.text("load", "-q"));
    assert_eq!(busy.gpus[0].pids(), [21180, 21181, 21198]);
}

#[test]
fn versions() {
    let Some(whole) = Capture::open(WHOLE) else {
        return;
    };
    let text = whole.text("capabilities", "--version");
    assert_eq!(plain(&text, "NVML version"), Said::Value("590.48"));
    let absent = Said::Withheld("not told by nvidia-smi");
    assert_eq!(plain(&text, "Colour"), absent);
}

#[test]
fn profiles_and_places() {
    let text = "\
+-----------------------------------------------------------------------------+
| GPU instance profiles:                                                      |
| GPU   Name             ID    Instances   Memory     P2P    SM    DEC   ENC  |
|                              Free/Total   GiB              CE    JPEG  OFA  |
|=============================================================================|
|   0  MIG 1g.10gb+me    20     1/1        9.75       No     16     1     0   |
|                                                             1     1     1   |
+-----------------------------------------------------------------------------+
|   1  MIG 7g.80gb        0     0/1        79.25      No     132    7     0   |
|                                                             8     7     1   |
+-----------------------------------------------------------------------------+
";
    let found = mig::profiles(text).expect("profiles");
    assert_eq!(found.len(), 2);
    let media = &found[0];
    assert_eq!(
        (media.gpu, media.name.as_str(), media.id),
        (0, "1g.10gb+me", 20)
    );
    assert_eq!(
        (media.max_count, media.memory_gib, media.sm_count),
        (1, 9.75, 16)
    );
    assert_eq!(media.engines, [1, 0, 1, 1, 1]);
    assert_eq!((found[1].gpu, found[1].engines), (1, [7, 0, 8, 7, 1]));
    mig::profiles(&text.replace(
        "|                                                             1     1     1   |\n",
        "",
    ))
    .expect_err("half a profile");
    let found = mig::places(
        "GPU  0 Profile ID 19 Placements: {0,1,2,3,4,5,6}:1\nGPU  1 Profile ID  0 Placement : {0}:8\n",
    );
    let found = found.expect("places");
    assert_eq!((found[0].gpu, found[0].profile, found[0].size), (0, 19, 1));
    assert_eq!(found[0].starts, [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(
        (found[1].gpu, &found[1].starts, found[1].size),
        (1, &vec![0], 8)
    );
    mig::places("GPU  0 Profile ID 19 Placements: {0,one}:1\n").expect_err("a word");
}

#[test]
fn instances() {
    let text = "\
+-------------------------------------------------------+
| GPU instances:                                        |
| GPU   Name             Profile  Instance   Placement  |
|                          ID       ID       Start:Size |
|=======================================================|
|   0  MIG 3g.40gb          9        2          4:4     |
+-------------------------------------------------------+
";
    let found = mig::gpu_instances(text).expect("instances");
    assert_eq!((found[0].gpu, found[0].profile, found[0].gi), (0, 9, 2));
    assert_eq!(found[0].place, (4, 4));
    mig::gpu_instances(&text.replace("4:4", "four")).expect_err("no place");
    let line =
        |place: &str| format!("|   0      2       MIG 1c.3g.40gb       0         1  {place}  |\n");
    for text in [line("        1:1   "), line("")] {
        let found = mig::compute_instances(&text).expect("instances");
        assert_eq!((found[0].gpu, found[0].gi, found[0].ci), (0, 2, 1));
        assert_eq!(
            (found[0].name.as_str(), found[0].profile),
            ("1c.3g.40gb", 0)
        );
    }
    let nothing = mig::gpu_instances("No GPU instances found: Not Found\n");
    assert_eq!(nothing, Ok(Vec::new()));
}
