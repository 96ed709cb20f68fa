//! Mount options: fstab's words to flags (config.md, "Linux mount options").

use super::op::Then;
use kernel::mount::{self as m, Attributes};
use std::ffi::c_ulong;

/// What a list of options says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `MS_*` to set.
    pub flags: c_ulong,
    /// `MS_*` that an option like `rw` or `exec` asked to be off.
    pub cleared: c_ulong,
    /// `bind` or, recursive, `rbind`.
    pub bind: Option<bool>,
    /// `remount`.
    pub remount: bool,
    /// `tmpcopyup`.
    pub copy_up: bool,
    /// `src-nofollow`: a link as source is bound itself.
    pub source_nofollow: bool,
    /// `copy-symlink`: a link as source is made again at the destination.
    pub copy_symlink: bool,
    /// `dest-nofollow`: a link at the destination is mounted on, not followed.
    pub target_nofollow: bool,
    /// Propagation and recursive attributes.
    pub then: Then,
    /// `idmap` or, recursive, `ridmap`, with the mappings given in place.
    pub idmap: Option<(bool, Option<String>)>,
    /// Everything else, which is the filesystem's to understand.
    pub data: Vec<String>,
}

/// What one word does.
enum Effect {
    Set(c_ulong),
    Clear(c_ulong),
    Propagation(c_ulong, bool),
    RecursiveSet(u64),
    RecursiveClear(u64),
    /// Access time is one setting of three values, not a bit: all of it is replaced.
    RecursiveTime(u64),
    Bind(bool),
    Remount,
    CopyUp,
    SourceNofollow,
    TargetNofollow,
    CopySymlink,
    Nothing,
}

use Effect::{
    Bind, Clear, CopySymlink, CopyUp, Nothing, Propagation, RecursiveClear, RecursiveSet,
    RecursiveTime, Remount, Set, SourceNofollow, TargetNofollow,
};

// Of the filesystem, not of the mount, are async, dirsync, mand and sync: with an r in front they mean the same (crun has these words).
#[rustfmt::skip]
static WORDS: &[(&str, Effect)] = &[
    ("async", Clear(m::MS_SYNCHRONOUS)),
    ("atime", Clear(m::MS_NOATIME)),
    ("bind", Bind(false)),
    ("copy-symlink", CopySymlink),
    ("defaults", Nothing),
    ("dest-nofollow", TargetNofollow),
    ("dev", Clear(m::MS_NODEV)),
    ("diratime", Clear(m::MS_NODIRATIME)),
    ("dirsync", Set(m::MS_DIRSYNC)),
    ("exec", Clear(m::MS_NOEXEC)),
    ("iversion", Set(m::MS_I_VERSION)),
    ("lazytime", Set(m::MS_LAZYTIME)),
    ("loud", Clear(m::MS_SILENT)),
    ("mand", Set(m::MS_MANDLOCK)),
    ("noatime", Set(m::MS_NOATIME)),
    ("nodev", Set(m::MS_NODEV)),
    ("nodiratime", Set(m::MS_NODIRATIME)),
    ("noexec", Set(m::MS_NOEXEC)),
    ("noiversion", Clear(m::MS_I_VERSION)),
    ("nolazytime", Clear(m::MS_LAZYTIME)),
    ("nomand", Clear(m::MS_MANDLOCK)),
    ("norelatime", Clear(m::MS_RELATIME)),
    ("nostrictatime", Clear(m::MS_STRICTATIME)),
    ("nosuid", Set(m::MS_NOSUID)),
    ("nosymfollow", Set(m::MS_NOSYMFOLLOW)),
    ("private", Propagation(m::MS_PRIVATE, false)),
    ("rasync", Clear(m::MS_SYNCHRONOUS)),
    ("ratime", RecursiveTime(m::MOUNT_ATTR_RELATIME)),
    ("rbind", Bind(true)),
    ("rdev", RecursiveClear(m::MOUNT_ATTR_NODEV)),
    ("rdiratime", RecursiveClear(m::MOUNT_ATTR_NODIRATIME)),
    ("rdirsync", Set(m::MS_DIRSYNC)),
    ("relatime", Set(m::MS_RELATIME)),
    ("remount", Remount),
    ("rexec", RecursiveClear(m::MOUNT_ATTR_NOEXEC)),
    ("rmand", Set(m::MS_MANDLOCK)),
    ("rnoatime", RecursiveTime(m::MOUNT_ATTR_NOATIME)),
    ("rnodev", RecursiveSet(m::MOUNT_ATTR_NODEV)),
    ("rnodiratime", RecursiveSet(m::MOUNT_ATTR_NODIRATIME)),
    ("rnoexec", RecursiveSet(m::MOUNT_ATTR_NOEXEC)),
    ("rnomand", Clear(m::MS_MANDLOCK)),
    ("rnorelatime", RecursiveTime(m::MOUNT_ATTR_RELATIME)),
    ("rnostrictatime", RecursiveTime(m::MOUNT_ATTR_RELATIME)),
    ("rnosuid", RecursiveSet(m::MOUNT_ATTR_NOSUID)),
    ("rnosymfollow", RecursiveSet(m::MOUNT_ATTR_NOSYMFOLLOW)),
    ("ro", Set(m::MS_RDONLY)),
    ("rprivate", Propagation(m::MS_PRIVATE, true)),
    ("rrelatime", RecursiveTime(m::MOUNT_ATTR_RELATIME)),
    ("rro", RecursiveSet(m::MOUNT_ATTR_RDONLY)),
    ("rrw", RecursiveClear(m::MOUNT_ATTR_RDONLY)),
    ("rshared", Propagation(m::MS_SHARED, true)),
    ("rslave", Propagation(m::MS_SLAVE, true)),
    ("rstrictatime", RecursiveTime(m::MOUNT_ATTR_STRICTATIME)),
    ("rsuid", RecursiveClear(m::MOUNT_ATTR_NOSUID)),
    ("rsymfollow", RecursiveClear(m::MOUNT_ATTR_NOSYMFOLLOW)),
    ("rsync", Set(m::MS_SYNCHRONOUS)),
    ("runbindable", Propagation(m::MS_UNBINDABLE, true)),
    ("rw", Clear(m::MS_RDONLY)),
    ("shared", Propagation(m::MS_SHARED, false)),
    ("silent", Set(m::MS_SILENT)),
    ("slave", Propagation(m::MS_SLAVE, false)),
    ("src-nofollow", SourceNofollow),
    ("strictatime", Set(m::MS_STRICTATIME)),
    ("suid", Clear(m::MS_NOSUID)),
    ("symfollow", Clear(m::MS_NOSYMFOLLOW)),
    ("sync", Set(m::MS_SYNCHRONOUS)),
    ("tmpcopyup", CopyUp),
    ("unbindable", Propagation(m::MS_UNBINDABLE, false)),
];

/// The words that [`parse`] understands, for `features`.
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|w| w.0).chain(["idmap", "ridmap"])
}

/// Whether an option is one that the runtime understands, not the filesystem.
pub fn is_word(option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    matches!(name, "idmap" | "ridmap") || WORDS.binary_search_by_key(&option, |w| w.0).is_ok()
}

/// Reads a list of options. Later ones win. What no word matches is data.
pub fn parse(list: &[String]) -> Options {
    let mut o = Options::default();
    for word in list
        .iter()
        .flat_map(|w| w.split(','))
        .filter(|w| !w.is_empty())
    {
        match WORDS.binary_search_by_key(&word, |w| w.0) {
            Ok(i) => apply(&WORDS[i].1, &mut o),
            Err(_) => match word.split_once('=').unwrap_or((word, "")) {
                ("idmap", "") => o.idmap = Some((false, None)),
                ("ridmap", "") => o.idmap = Some((true, None)),
                ("idmap", maps) => o.idmap = Some((false, Some(maps.to_owned()))),
                ("ridmap", maps) => o.idmap = Some((true, Some(maps.to_owned()))),
                _ => o.data.push(word.to_owned()),
            },
        }
    }
    o
}

fn apply(effect: &Effect, o: &mut Options) {
    const TIMES: c_ulong = m::MS_NOATIME | m::MS_RELATIME | m::MS_STRICTATIME;
    match *effect {
        Set(flag) => {
            let group = if flag & TIMES != 0 { TIMES } else { flag };
            o.flags = o.flags & !group | flag;
            o.cleared &= !group;
        }
        Clear(flag) => {
            o.flags &= !flag;
            o.cleared |= flag;
        }
        Propagation(flags, recursive) => o.then.propagation.push((flags, recursive)),
        RecursiveSet(bit) => {
            o.then.recursive.set |= bit;
            o.then.recursive.clear &= !bit;
        }
        RecursiveClear(bit) => {
            o.then.recursive.clear |= bit;
            o.then.recursive.set &= !bit;
        }
        RecursiveTime(value) => {
            let r = &mut o.then.recursive;
            r.set = r.set & !m::MOUNT_ATTR__ATIME | value;
            r.clear |= m::MOUNT_ATTR__ATIME;
        }
        Bind(recursive) => o.bind = Some(recursive || o.bind == Some(true)),
        Remount => o.remount = true,
        CopyUp => o.copy_up = true,
        SourceNofollow => o.source_nofollow = true,
        TargetNofollow => o.target_nofollow = true,
        CopySymlink => o.copy_symlink = true,
        Nothing => {}
    }
}

/// Flags of mount(2) and the attributes of mount_setattr(2) that mean the same. Access time is apart.
const BITS: [(c_ulong, u64); 6] = [
    (m::MS_RDONLY, m::MOUNT_ATTR_RDONLY),
    (m::MS_NOSUID, m::MOUNT_ATTR_NOSUID),
    (m::MS_NODEV, m::MOUNT_ATTR_NODEV),
    (m::MS_NOEXEC, m::MOUNT_ATTR_NOEXEC),
    (m::MS_NODIRATIME, m::MOUNT_ATTR_NODIRATIME),
    (m::MS_NOSYMFOLLOW, m::MOUNT_ATTR_NOSYMFOLLOW),
];
const TIME_FLAGS: c_ulong = m::MS_NOATIME | m::MS_RELATIME | m::MS_STRICTATIME | m::MS_NODIRATIME;

/// The attributes that mean these `MS_*` flags.
pub fn attributes(flags: c_ulong) -> u64 {
    let bits = BITS
        .iter()
        .filter(|(ms, _)| flags & ms != 0)
        .fold(0, |a, (_, attr)| a | attr);
    bits | if flags & m::MS_NOATIME != 0 {
        m::MOUNT_ATTR_NOATIME
    } else if flags & m::MS_STRICTATIME != 0 {
        m::MOUNT_ATTR_STRICTATIME
    } else {
        m::MOUNT_ATTR_RELATIME
    }
}

/// The `MS_*` flags that mean these attributes, for kernels without mount_setattr.
pub fn flags(attributes: u64) -> c_ulong {
    let bits = BITS
        .iter()
        .filter(|(_, attr)| attributes & attr != 0)
        .fold(0, |f, (ms, _)| f | ms);
    bits | match attributes & m::MOUNT_ATTR__ATIME {
        m::MOUNT_ATTR_NOATIME => m::MS_NOATIME,
        m::MOUNT_ATTR_STRICTATIME => m::MS_STRICTATIME,
        _ => 0,
    }
}

impl Options {
    /// What a bind mount changes on its copy, as mount(8) does by remounting: flags that are not asked for go off, except
    /// access time, which stays unless mentioned. `None` when no flag is mentioned, which keeps everything.
    pub fn bind_attributes(&self) -> Option<Attributes> {
        let relevant = BITS.iter().fold(TIME_FLAGS, |a, b| a | b.0);
        let mentioned = (self.flags | self.cleared) & relevant;
        (mentioned != 0).then(|| self.remount_attributes())
    }

    /// What remounting with these options changes on a mount, as mount(2) does: the same, also where no flag is mentioned.
    pub fn remount_attributes(&self) -> Attributes {
        let mentioned = self.flags | self.cleared;
        let all = BITS.iter().fold(0, |a, b| a | b.1);
        let mut set = attributes(self.flags);
        let mut clear = all & !set;
        if mentioned & TIME_FLAGS == 0 {
            set &= !m::MOUNT_ATTR__ATIME;
            clear &= !m::MOUNT_ATTR_NODIRATIME;
        } else {
            clear |= m::MOUNT_ATTR__ATIME;
        }
        Attributes {
            set,
            clear,
            propagation: 0,
        }
    }

    /// The attributes that an option asked to be off in so many words.
    pub fn must_clear(&self) -> u64 {
        BITS.iter()
            .filter(|(ms, _)| self.cleared & ms != 0)
            .fold(0, |a, (_, attr)| a | attr)
    }

    /// The data as mount(2) takes it.
    pub fn data(&self) -> String {
        self.data.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Options {
        parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_table_is_sorted_and_has_every_word_of_the_specification() {
        assert!(WORDS.windows(2).all(|w| w[0].0 < w[1].0));
        let must = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime noexec \
            noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime relatime \
            remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime \
            rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow sync \
            tmpcopyup unbindable idmap ridmap rasync rdirsync rmand rnomand rsync";
        for word in must.split_whitespace() {
            assert!(options(&[word]).data.is_empty(), "{word}");
            assert!(words().any(|known| known == word), "{word}");
        }
    }

    #[test]
    fn later_words_win_and_the_rest_is_data() {
        let o = options(&["ro", "rw", "nosuid", "size=64k", "mode=755,nodev"]);
        assert_eq!(
            (o.flags, o.cleared),
            (m::MS_NOSUID | m::MS_NODEV, m::MS_RDONLY)
        );
        assert_eq!(o.data(), "size=64k,mode=755");
        assert_eq!(
            options(&["noatime", "strictatime"]).flags,
            m::MS_STRICTATIME
        );
        assert_eq!(
            options(&["bind", "rbind", "rslave"]).then.propagation,
            [(m::MS_SLAVE, true)]
        );
        assert_eq!(
            options(&["idmap=uids=0-1-10"]).idmap,
            Some((false, Some("uids=0-1-10".into())))
        );
    }

    #[test]
    fn recursive_access_time_replaces_the_whole_setting() {
        let r = options(&["rnoatime", "rro", "rrw"]).then.recursive;
        assert_eq!(
            (r.set, r.clear),
            (
                m::MOUNT_ATTR_NOATIME,
                m::MOUNT_ATTR__ATIME | m::MOUNT_ATTR_RDONLY
            )
        );
    }

    #[test]
    fn a_bind_mount_changes_its_copy_only_when_a_flag_is_mentioned() {
        assert_eq!(options(&["rbind", "rprivate"]).bind_attributes(), None);
        let ro = options(&["rbind", "ro"]).bind_attributes().unwrap();
        assert_eq!(ro.set, m::MOUNT_ATTR_RDONLY);
        assert!(ro.clear & m::MOUNT_ATTR_NOSUID != 0 && ro.clear & m::MOUNT_ATTR__ATIME == 0);
        let rw = options(&["bind", "rw"]);
        assert!(rw.bind_attributes().unwrap().clear & m::MOUNT_ATTR_RDONLY != 0);
        assert_eq!(rw.must_clear(), m::MOUNT_ATTR_RDONLY);
        assert!(
            options(&["bind", "noatime"])
                .bind_attributes()
                .unwrap()
                .clear
                & m::MOUNT_ATTR__ATIME
                != 0
        );
    }

    #[test]
    fn flags_and_attributes_translate_both_ways() {
        for f in [
            0,
            m::MS_RDONLY | m::MS_NOEXEC,
            m::MS_NOATIME | m::MS_NODIRATIME,
            m::MS_STRICTATIME | m::MS_NOSUID,
        ] {
            assert_eq!(flags(attributes(f)), f);
        }
    }
}
