package app.likeness.storage

import java.text.Normalizer

/** What people and files call subjects; shown, and made into words for prompts, never into file names. */
object Names {
    const val MAX_NAME = 40
    const val MAX_CLASS = 40
    private const val MAX_SLUG = 20

    /** [text] fit to be shown in one line: no control characters, no tricks with direction, not long. */
    fun clean(text: String, limit: Int = MAX_NAME): String {
        val shown = text.map { if (isHidden(it)) ' ' else it }.joinToString("").trim().replace(Regex("\\s+"), " ")
        val end = if (shown.length > limit && shown[limit - 1].isHighSurrogate()) limit - 1 else limit
        return shown.take(end).trim()
    }

    /** A new word for prompts, such as <my-minka>, that is none of [taken]. */
    fun token(name: String, taken: Set<String>): String {
        val plain = Normalizer.normalize(name, Normalizer.Form.NFD).lowercase()
        val slug = plain.map {
            if (it in 'a'..'z' || it in '0'..'9') {
                it
            } else if (it.isLetterOrDigit()) {
                null
            } else {
                '-'
            }
        }
            .filterNotNull().joinToString("").replace(Regex("-+"), "-").trim('-').take(MAX_SLUG).trim('-')
        val stem = "my-" + slug.ifEmpty { "subject" }
        return generateSequence(1) { it + 1 }.map { if (it == 1) "<$stem>" else "<$stem-$it>" }.first { it !in taken }
    }

    private fun isHidden(letter: Char) = letter.isISOControl() || letter.category == CharCategory.FORMAT ||
        letter.category == CharCategory.LINE_SEPARATOR ||
        letter.category == CharCategory.PARAGRAPH_SEPARATOR
}
