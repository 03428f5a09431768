"""Suffixes of files that hold a video, by the demuxer that reads them. Light: nothing is opened here."""

# Each demuxer is one of `talkmill.video.container.ALLOWED_FORMATS`. FFmpeg's own lists, plus what cameras, recorders
# and Windows write. Left out: sound and pictures (.m4a, .mka, .heic), subtitles (.mks), lists (.ism), and what is far
# more often something else (.ogg is sound, .ps is PostScript, .mod is music, .dat is anything).
SUFFIXES: dict[str, tuple[str, ...]] = {
    "mov": (
        ".mp4", ".m4v", ".mov", ".qt", ".f4v", ".3gp", ".3gpp", ".3g2", ".3gp2", ".mj2", ".psp", ".ismv", ".mqv",
        ".insv",
    ),
    "matroska": (".mkv", ".mk3d", ".webm"),
    "avi": (".avi", ".divx"),
    "flv": (".flv",),
    "mpeg": (".mpg", ".mpeg", ".mpe", ".m2p", ".vob", ".evo", ".vro"),
    "mpegts": (".ts", ".m2t", ".m2ts", ".mts", ".tp", ".trp", ".tod"),
    "mpegvideo": (".m1v", ".m2v", ".mpv"),
    "asf": (".asf", ".wmv", ".wm", ".dvr-ms"),
    "ogg": (".ogv", ".ogm"),
    "h264": (".h264", ".264", ".h26l", ".avc"),
    "hevc": (".hevc", ".h265", ".265"),
    "ivf": (".ivf",),
    "obu": (".obu",),
    "nut": (".nut",),
    "mxf": (".mxf",),
    "dv": (".dv", ".dif"),
    "yuv4mpegpipe": (".y4m",),
}  # fmt: skip

VIDEO_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
