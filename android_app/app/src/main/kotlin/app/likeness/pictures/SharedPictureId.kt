package app.likeness.pictures

import app.likeness.storage.isId

/** The picture that a content URI with these path [segments] names; null where it names none, or anything else. */
fun sharedPictureId(segments: List<String>): String? {
    val name = segments.singleOrNull() ?: return null
    return name.removeSuffix(".png").takeIf { name.endsWith(".png") && isId(it) }
}
