package app.likeness.storage

import java.io.IOException

enum class SubjectState {
    /** Photos or a journal are there; it can be taught on. */
    LEARNING,

    /** Its adapter is whole; it can be painted. */
    READY,

    /** Its files cannot be read; it can only be deleted. */
    DAMAGED,
}

/**
 * Someone or something that was or is being taught.
 *
 * @property tokens the words that stand for it in a prompt: one, or several for a merged file that was imported
 * @property className what it is, a word of the model's language; "" where the adapter is of several classes
 * @property createdAt milliseconds since 1970
 */
data class Subject(
    val id: String,
    val name: String,
    val className: String,
    val tokens: List<String>,
    val state: SubjectState,
    val createdAt: Long,
) {
    /** How a prompt names it. */
    val words: String get() = (tokens + className).filter(String::isNotEmpty).joinToString(" ")

    internal fun toProperties() = mapOf(
        "name" to name,
        "class" to className,
        "tokens" to tokens.joinToString("\n"),
        "state" to state.name,
        "created" to createdAt.toString(),
    )

    internal companion object {
        fun damaged(id: String) = Subject(id, "", "", emptyList(), SubjectState.DAMAGED, 0)

        fun from(id: String, values: Map<String, String>) = Subject(
            id = id,
            name = values.text("name"),
            className = values.text("class"),
            tokens = values.text("tokens").split("\n").filter(String::isNotEmpty),
            state = SubjectState.entries.find { it.name == values["state"] }
                ?: throw IOException("A file is damaged: state is unknown."),
            createdAt = values.long("created"),
        )
    }
}
