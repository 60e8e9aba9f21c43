//! The registry's entries.

use super::cifar_png::CIFAR_PNG;
use super::{Checksum, Entry, FileSpec, Layout, file, unpublished};

/// Name of the published dSprites file below the data folder.
pub(crate) const DSPRITES_NPZ: &str = "dsprites/dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz";
/// Name of the official CIFAR-10 archive below the data folder.
pub(crate) const CIFAR_TAR: &str = "cifar10/cifar-10-binary.tar.gz";

macro_rules! mnist_urls {
    ($file:literal) => {
        &[
            concat!("https://storage.googleapis.com/cvdf-datasets/mnist/", $file),
            concat!("https://ossci-datasets.s3.amazonaws.com/mnist/", $file),
        ]
    };
}

macro_rules! fashion_urls {
    ($file:literal) => {
        &[concat!(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            $file
        )]
    };
}

macro_rules! omniglot_urls {
    ($file:literal) => {
        &[concat!(
            "https://github.com/brendenlake/omniglot/raw/master/python/",
            $file
        )]
    };
}

/// All known data sets.
pub static REGISTRY: &[Entry] = &[
    Entry {
        name: "mnist",
        title: "MNIST handwritten digits",
        shape: "1x28x28",
        size: "60000 / 10000",
        licence: "CC BY-SA 3.0",
        origin: "LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist",
        citation: "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), Gradient-based learning \
                   applied to document recognition, Proceedings of the IEEE 86(11)",
        layouts: &[Layout {
            title: "the four official files",
            files: &[
                file(
                    "mnist/train-images-idx3-ubyte.gz",
                    9_912_422,
                    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    mnist_urls!("train-images-idx3-ubyte.gz"),
                ),
                file(
                    "mnist/train-labels-idx1-ubyte.gz",
                    28_881,
                    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    mnist_urls!("train-labels-idx1-ubyte.gz"),
                ),
                file(
                    "mnist/t10k-images-idx3-ubyte.gz",
                    1_648_877,
                    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    mnist_urls!("t10k-images-idx3-ubyte.gz"),
                ),
                file(
                    "mnist/t10k-labels-idx1-ubyte.gz",
                    4_542,
                    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    mnist_urls!("t10k-labels-idx1-ubyte.gz"),
                ),
            ],
        }],
        note: "",
    },
    Entry {
        name: "fashion-mnist",
        title: "Fashion-MNIST articles of clothing",
        shape: "1x28x28",
        size: "60000 / 10000",
        licence: "MIT",
        origin: "Zalando SE, https://github.com/zalandoresearch/fashion-mnist",
        citation: "H. Xiao, K. Rasul, R. Vollgraf (2017), Fashion-MNIST: a novel image dataset \
                   for benchmarking machine learning algorithms, arXiv:1708.07747",
        layouts: &[Layout {
            title: "the four official files",
            files: &[
                file(
                    "fashion-mnist/train-images-idx3-ubyte.gz",
                    26_421_880,
                    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    fashion_urls!("train-images-idx3-ubyte.gz"),
                ),
                file(
                    "fashion-mnist/train-labels-idx1-ubyte.gz",
                    29_515,
                    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    fashion_urls!("train-labels-idx1-ubyte.gz"),
                ),
                file(
                    "fashion-mnist/t10k-images-idx3-ubyte.gz",
                    4_422_102,
                    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    fashion_urls!("t10k-images-idx3-ubyte.gz"),
                ),
                file(
                    "fashion-mnist/t10k-labels-idx1-ubyte.gz",
                    5_148,
                    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    fashion_urls!("t10k-labels-idx1-ubyte.gz"),
                ),
            ],
        }],
        note: "",
    },
    Entry {
        name: "cifar10",
        title: "CIFAR-10 color photographs",
        shape: "3x32x32",
        size: "50000 / 10000 (1000 in PNG)",
        licence: "none given; research use with citation",
        origin: "Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html",
        citation: "A. Krizhevsky (2009), Learning multiple layers of features from tiny images, \
                   technical report, University of Toronto",
        layouts: &[
            Layout {
                title: "the official binary archive",
                files: &[file(
                    CIFAR_TAR,
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
                )],
            },
            Layout {
                title: "PNG batches with labels in idx form",
                files: &CIFAR_PNG,
            },
        ],
        note: "The unpacked folder `cifar10/cifar-10-batches-bin` is read, too. The PNG batches \
               hold all training images and the first 1000 test images.",
    },
    Entry {
        name: "omniglot",
        title: "Omniglot handwritten characters, two small background sets",
        shape: "1x105x105",
        size: "2720 / 3120",
        licence: "MIT",
        origin: "Lake, https://github.com/brendenlake/omniglot",
        citation: "B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum (2015), Human-level concept \
                   learning through probabilistic program induction, Science 350(6266)",
        layouts: &[Layout {
            title: "the two zips",
            files: &[
                file(
                    "omniglot/images_background_small1.zip",
                    1_319_022,
                    "f38eb80f801274ac2b4dff5b24289016bfaba4a7d5bb50deebf27104ad6cb8a4",
                    omniglot_urls!("images_background_small1.zip"),
                ),
                file(
                    "omniglot/images_background_small2.zip",
                    1_580_917,
                    "3ccaa407515a8778e5d0861875af38b17e418f301ad5bb3b5a6b65d901a41c7f",
                    omniglot_urls!("images_background_small2.zip"),
                ),
            ],
        }],
        note: "Train is background_small1, test is background_small2: other alphabets. Labels \
               number the characters of a split. Ink is 1 on 0.",
    },
    Entry {
        name: "optdigits",
        title: "UCI optical recognition of handwritten digits",
        shape: "1x8x8",
        size: "3823 / 1797",
        licence: "CC BY 4.0",
        origin: "UCI repository, https://archive.ics.uci.edu/dataset/80",
        citation: "E. Alpaydin, C. Kaynak (1998), Optical recognition of handwritten digits, UCI \
                   machine learning repository, doi:10.24432/C50P49",
        layouts: &[Layout {
            title: "comma-separated rows, compressed",
            files: &[
                file(
                    "optdigits/optdigits.tra.gz",
                    88_378,
                    "256e49a53b92b394b2a3ba36ae4994b87c160bfad531b399278bf98b870d279f",
                    &[],
                ),
                file(
                    "optdigits/optdigits.hol.gz",
                    24_720,
                    "a1b0b9f8ab6fc916c6363aeee5a8864c643609d370c8fb2d9c2cf483925a31be",
                    &[],
                ),
                file(
                    "optdigits/optdigits.tes.gz",
                    53_392,
                    "e31b7ccbf8cc2b158de948b1bb7a67bf39a856fb064b3aa8ef489f12a2dc4b63",
                    &[],
                ),
            ],
        }],
        note: "Train is the 2999 rows of tra, then the 824 of hol. No address serves these \
               compressed files; the rows are UCI's, without comment lines.",
    },
    Entry {
        name: "dsprites",
        title: "dSprites shapes with six known factors",
        shape: "1x64x64",
        size: "737280 (both splits)",
        licence: "Apache-2.0",
        origin: "DeepMind, https://github.com/google-deepmind/dsprites-dataset",
        citation: "L. Matthey, I. Higgins, D. Hassabis, A. Lerchner (2017), dSprites: \
                   disentanglement testing sprites dataset",
        layouts: &[Layout {
            title: "the published file (optional)",
            files: &[FileSpec {
                path: DSPRITES_NPZ,
                bytes: None,
                checksum: Checksum::Md5("7da33b31b13a06f4b04a70402ce90c2e"),
                urls: &[
                    "https://github.com/google-deepmind/dsprites-dataset/raw/master/\
                        dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
                ],
            }],
        }],
        note: "Without the file the images are drawn by a fitted renderer: a close copy (316 of \
               320 published frames exact), not the original bits.",
    },
    Entry {
        name: "svhn",
        title: "SVHN cropped house numbers",
        shape: "3x32x32",
        size: "73257 / 26032",
        licence: "none given; non-commercial use",
        origin: "Netzer et al., http://ufldl.stanford.edu/housenumbers",
        citation: "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng (2011), Reading \
                   digits in natural images with unsupervised feature learning, NIPS workshop on \
                   deep learning and unsupervised feature learning",
        layouts: &[Layout {
            title: "the two MATLAB files of format 2",
            files: &[
                file(
                    "svhn/train_32x32.mat",
                    182_040_794,
                    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
                    &[],
                ),
                file(
                    "svhn/test_32x32.mat",
                    64_275_384,
                    "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
                    &[],
                ),
            ],
        }],
        note: "The authors serve the files without encryption only, so they are not fetched: \
               download them by hand; their checksums are still compared.",
    },
    Entry {
        name: "celeba",
        title: "CelebA portraits, aligned",
        shape: "3x64x64",
        size: "162770 / 19962",
        licence: "non-commercial research",
        origin: "Liu et al., https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        citation: "Z. Liu, P. Luo, X. Wang, X. Tang (2015), Deep learning face attributes in the \
                   wild, International Conference on Computer Vision",
        layouts: &[Layout {
            title: "one tensor file of bytes [N, 3, H, W], made by the user",
            files: &[unpublished("celeba/celeba.npy")],
        }],
        note: "Or the unpacked folder `celeba/img_align_celeba` (the archive img_align_celeba.zip \
               has the published md5 00d2c5bc6d35e252742224ab0c1e8fcb): the middle 148 by 148 of \
               every portrait is shrunk to 64 by 64. Chen et al. (2018) do not publish their \
               crop; this is the usual one. The split is the authors', without the validation \
               part.",
    },
    Entry {
        name: "chairs",
        title: "rendered chairs with known model and view",
        shape: "1x64x64",
        size: "nine tenths / one tenth of 86366",
        licence: "none given; research use with citation",
        origin: "Aubry et al., https://www.di.ens.fr/willow/research/seeing3Dchairs",
        citation: "M. Aubry, D. Maturana, A. Efros, B. Russell, J. Sivic (2014), Seeing 3D chairs: \
                   exemplar part-based 2D-3D alignment using a large dataset of CAD models, \
                   Computer Vision and Pattern Recognition",
        layouts: &[Layout {
            title: "one tensor file of bytes [N, 1, H, W], made by the user",
            files: &[unpublished("chairs/chairs.npy")],
        }],
        note: "Or the unpacked folder `chairs/rendered_chairs` of rendered_chairs.tar: grey, the \
               middle 400 by 400 of 600 by 600, shrunk to 64 by 64, after Kulkarni et al. (2015), \
               who give no exact numbers. The authors publish no split; ours is random and fixed.",
    },
    Entry {
        name: "faces",
        title: "3D Faces: renders of the Basel face model with known identity, pose and light",
        shape: "1x64x64",
        size: "nine tenths / one tenth of 127050",
        licence: "that of the Basel face model; on request",
        origin: "Paysan et al., https://faces.dmi.unibas.ch/bfm",
        citation: "P. Paysan, R. Knothe, B. Amberg, S. Romdhani, T. Vetter (2009), A 3D face model \
                   for pose and illumination invariant face recognition, Advanced Video and Signal \
                   Based Surveillance",
        layouts: &[Layout {
            title: "one tensor file of bytes [N, 1, H, W], made by the user",
            files: &[unpublished("faces/faces.npy")],
        }],
        note: "With all 127050 renders in the order identity (50), azimuth (21), elevation (11), \
               light (11), the factors are known. The split is random and fixed.",
    },
    Entry {
        name: "sprites",
        title: "our own sprites with five known factors",
        shape: "1x64x64",
        size: "20000 / 3040",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "This project",
        layouts: &[],
        note: "The default where there are no files; the side can be 8 to 256.",
    },
    Entry {
        name: "toy-faces",
        title: "our own shaded heads with known identity, pose and light",
        shape: "1x64x64",
        size: "114345 / 12705",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "This project; the factors are those of 3D Faces (see `faces`)",
        layouts: &[],
        note: "A stand-in, not a copy, of `faces`: 50 identities, 21 azimuths to 70 degrees on \
               either side, 11 elevations to 30, 11 lights to 75. Train and test share no image, \
               but all identities. The side can be 32 to 128.",
    },
    Entry {
        name: "toy-chairs",
        title: "our own chairs with known style and pose",
        shape: "1x64x64",
        size: "69750 / 7750",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "This project; the factors are those of the rendered chairs (see `chairs`)",
        layouts: &[],
        note: "A stand-in, not a copy, of `chairs`: 500 styles, 31 azimuths all around, 5 \
               elevations from 6 to 46 degrees. Train and test share no image, but all styles. \
               The side can be 32 to 128.",
    },
    Entry {
        name: "swiss-roll",
        title: "Swiss roll",
        shape: "1x1x3",
        size: "2000 / 2000, or as asked",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "J. B. Tenenbaum, V. de Silva, J. C. Langford (2000), A global geometric \
                   framework for nonlinear dimensionality reduction, Science 290(5500)",
        layouts: &[],
        note: "",
    },
    Entry {
        name: "linear-gaussian",
        title: "draws of a linear-Gaussian model with known parameters",
        shape: "1x1x8",
        size: "2000 / 2000, or as asked",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "This project",
        layouts: &[],
        note: "",
    },
    Entry {
        name: "blobs",
        title: "Gaussian blobs around centers on a sphere",
        shape: "1x1x20",
        size: "2000 / 2000, or as asked",
        licence: "MIT OR Apache-2.0",
        origin: "generated",
        citation: "This project",
        layouts: &[],
        note: "",
    },
];
